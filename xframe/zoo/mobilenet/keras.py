"""Mobile networks in Keras; (N, H, W, 3) to (N, classes). Functions apply at once what the classes elsewhere hold.

`keras.applications.MobileNet` and `MobileNetV2` are other networks: where they stride they pad the far sides only,
their batch norms add 1e-3 to a variance, and version 1 has relu6.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import KerasTensor, layers

Norm = Callable[..., KerasTensor]


def convolution(x: KerasTensor, channels: int, kernel_size: int, stride: int = 1, *, name: str) -> KerasTensor:
    """A convolution without bias, padded alike on all sides: "same" at stride 2 would pad the far sides more."""
    if kernel_size > 1:
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_padding")(x)
    return layers.Conv2D(channels, kernel_size, strides=stride, use_bias=False, name=name)(x)


def depthwise(x: KerasTensor, kernel_size: int, stride: int = 1, *, name: str) -> KerasTensor:
    """A convolution of each channel by itself, without bias, padded alike on all sides."""
    x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_padding")(x)
    return layers.DepthwiseConv2D(kernel_size, strides=stride, use_bias=False, name=name)(x)


def batch_norm(x: KerasTensor, *, name: str) -> KerasTensor:
    """Batch normalisation; a batch moves the running statistics by a tenth."""
    return layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=name)(x)


def unit(x: KerasTensor, norm: Norm = batch_norm, activation: str = "", *, name: str) -> KerasTensor:
    """What a convolution gave, its norm and its activation."""
    x = norm(x, name=f"{name}_1")
    return layers.Activation(activation, name=f"{name}_2")(x) if activation else x


def separable_convolution(x: KerasTensor, channels: int, stride: int = 1, *, name: str) -> KerasTensor:
    """A 3x3 convolution in two steps: of each channel by itself, then across the channels."""
    x = depthwise(x, 3, stride, name=f"{name}_depthwise_conv_0")
    x = unit(x, activation="relu", name=f"{name}_depthwise_conv")
    x = convolution(x, channels, 1, name=f"{name}_pointwise_conv_0")
    return unit(x, activation="relu", name=f"{name}_pointwise_conv")


def mobilenet_v1(num_classes: int = 1000) -> keras.Model:
    """MobileNet (Howard et al. 2017, arXiv:1704.04861); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(mobilenet_v1(num_classes=10)(keras.ops.zeros((2, 64, 64, 3))).shape)
    (2, 10)
    """
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((None, None, 3), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    x = convolution(images, 32, 3, stride=2, name="conv1_0")
    x = unit(x, activation="relu", name="conv1")
    x = separable_convolution(x, 64, name="conv2_1")
    x = separable_convolution(x, 128, stride=2, name="conv2_2")
    x = separable_convolution(x, 128, name="conv3_1")
    x = separable_convolution(x, 256, stride=2, name="conv3_2")
    x = separable_convolution(x, 256, name="conv4_1")
    x = separable_convolution(x, 512, stride=2, name="conv4_2")
    x = separable_convolution(x, 512, name="conv5_1")
    x = separable_convolution(x, 512, name="conv5_2")
    x = separable_convolution(x, 512, name="conv5_3")
    x = separable_convolution(x, 512, name="conv5_4")
    x = separable_convolution(x, 512, name="conv5_5")
    x = separable_convolution(x, 1024, stride=2, name="conv5_6")
    x = separable_convolution(x, 1024, name="conv6")
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    x = layers.Dense(num_classes, name="fc")(x)
    return keras.Model(images, x, name="mobilenet_v1")


def inverted_residual(x: KerasTensor, channels: int, stride: int, expansion: int, *, name: str) -> KerasTensor:
    """Wide inside and narrow outside: expand, convolve each channel by itself, project without activation."""
    out, step = x, 0
    if expansion != 1:
        out = convolution(out, x.shape[-1] * expansion, 1, name=f"{name}_0_0")
        out = unit(out, activation="relu6", name=f"{name}_0")
        step = 1
    out = depthwise(out, 3, stride, name=f"{name}_{step}_0")
    out = unit(out, activation="relu6", name=f"{name}_{step}")
    out = convolution(out, channels, 1, name=f"{name}_{step + 1}")
    out = batch_norm(out, name=f"{name}_{step + 2}")
    return layers.Add(name=f"{name}_add")([x, out]) if stride == 1 and x.shape[-1] == channels else out


STAGES = (  # expansion, channels, depth, stride of the first block
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(num_classes: int = 1000) -> keras.Model:
    """MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(mobilenet_v2(num_classes=10)(keras.ops.zeros((2, 64, 64, 3))).shape)
    (2, 10)
    """
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((None, None, 3), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    x = convolution(images, 32, 3, stride=2, name="features_0_0")
    x = unit(x, activation="relu6", name="features_0")
    number = 0
    for expansion, channels, depth, stride in STAGES:
        for index in range(depth):
            number += 1
            x = inverted_residual(x, channels, 1 if index else stride, expansion, name=f"features_{number}_conv")
    x = convolution(x, 1280, 1, name="features_18_0")
    x = unit(x, activation="relu6", name="features_18")
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    x = layers.Dropout(0.2, name="classifier_0")(x)
    x = layers.Dense(num_classes, name="classifier_1")(x)
    return keras.Model(images, x, name="mobilenet_v2")
