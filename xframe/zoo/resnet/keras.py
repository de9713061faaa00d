"""Residual networks in Keras; (N, H, W, C) to (N, classes). Functions apply at once what the classes elsewhere hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import keras
from keras import KerasTensor, layers


def convolution(x: KerasTensor, channels: int, kernel_size: int, stride: int = 1, *, name: str) -> KerasTensor:
    """A convolution without bias, padded alike on all sides: "same" at stride 2 would pad the far sides more."""
    if kernel_size > 1:
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_padding")(x)
    return layers.Conv2D(channels, kernel_size, strides=stride, use_bias=False, name=name)(x)


def batch_norm(x: KerasTensor, *, name: str) -> KerasTensor:
    """Batch normalisation; a batch moves the running statistics by a tenth."""
    return layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=name)(x)


def basic_block(x: KerasTensor, channels: int, stride: int = 1, *, use_residual: bool = True, name: str) -> KerasTensor:
    """Two 3x3 convolutions, added to what they read unless `use_residual` is false."""
    out = convolution(x, channels, 3, stride, name=f"{name}_conv1")
    out = batch_norm(out, name=f"{name}_bn1")
    out = layers.ReLU(name=f"{name}_relu1")(out)
    out = convolution(out, channels, 3, name=f"{name}_conv2")
    out = batch_norm(out, name=f"{name}_bn2")
    # Where the shape changes, what was read must change with it.
    if stride != 1 or x.shape[-1] != out.shape[-1]:
        x = convolution(x, out.shape[-1], 1, stride, name=f"{name}_downsample_0")
        x = batch_norm(x, name=f"{name}_downsample_1")
    if use_residual:
        out = layers.Add(name=f"{name}_add")([out, x])
    else:
        # A Keras model holds no layer that leads nowhere: what was read goes along here, and no further.
        out, _ = layers.Identity(name=f"{name}_unused")([out, x])
    return layers.ReLU(name=f"{name}_relu2")(out)


Block = Callable[..., KerasTensor]


def stage(x: KerasTensor, block: Block, channels: int, depth: int, stride: int = 1, *, name: str) -> KerasTensor:
    """`depth` blocks of equal width; the first one strides."""
    x = block(x, channels, stride, name=f"{name}_0")
    for index in range(1, depth):
        x = block(x, channels, name=f"{name}_{index}")
    return x


def resnet(block: Block, depths: tuple[int, ...], in_channels: int, num_classes: int, *, name: str) -> keras.Model:
    """Stem, four stages of `depths` blocks, global average pool, linear layer."""
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((None, None, in_channels), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    x = convolution(images, 64, 7, stride=2, name="conv1")
    x = batch_norm(x, name="bn1")
    x = layers.ReLU(name="relu")(x)
    # Behind a relu nothing is smaller than the zeros of the padding: they never change a maximum.
    x = layers.ZeroPadding2D(1, name="maxpool_padding")(x)
    x = layers.MaxPooling2D(3, strides=2, name="maxpool")(x)
    x = stage(x, block, 64, depths[0], name="layer1")
    x = stage(x, block, 128, depths[1], stride=2, name="layer2")
    x = stage(x, block, 256, depths[2], stride=2, name="layer3")
    x = stage(x, block, 512, depths[3], stride=2, name="layer4")
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    x = layers.Dense(num_classes, name="fc")(x)
    return keras.Model(images, x, name=name)


def resnet18(in_channels: int = 3, num_classes: int = 1000, use_residual: bool = True) -> keras.Model:
    """Four stages of two basic blocks; returns logits.

    >>> tuple(resnet18(num_classes=10)(keras.ops.zeros((2, 64, 64, 3))).shape)
    (2, 10)
    """
    block = partial(basic_block, use_residual=use_residual)
    return resnet(block, (2, 2, 2, 2), in_channels, num_classes, name="resnet18")
