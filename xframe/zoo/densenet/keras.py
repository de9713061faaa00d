"""Densely connected networks in Keras; (N, H, W, 3) to (N, classes).

Functions apply at once what the classes elsewhere hold. `keras.applications.DenseNet121` adds 1.001e-5 to a variance
where this network, as Paddle's and torchvision's, adds 1e-5: weights for the one give other outputs in the other.
"""

from __future__ import annotations

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


def dense_layer(x: KerasTensor, growth: int, *, name: str) -> KerasTensor:
    """A 1x1 and a 3x3 convolution, normalised before; what they give is put behind the channels they read."""
    out = batch_norm(x, name=f"{name}_norm1")
    out = layers.ReLU(name=f"{name}_relu1")(out)
    out = convolution(out, 4 * growth, 1, name=f"{name}_conv1")
    out = batch_norm(out, name=f"{name}_norm2")
    out = layers.ReLU(name=f"{name}_relu2")(out)
    out = convolution(out, growth, 3, name=f"{name}_conv2")
    return layers.Concatenate(name=name)([x, out])


def dense_block(x: KerasTensor, growth: int, depth: int, *, name: str) -> KerasTensor:
    """`depth` dense layers; each adds `growth` channels."""
    for number in range(1, depth + 1):
        x = dense_layer(x, growth, name=f"{name}_denselayer{number}")
    return x


def transition(x: KerasTensor, channels: int, *, name: str) -> KerasTensor:
    """Fewer channels, and a map of half the size."""
    x = batch_norm(x, name=f"{name}_norm")
    x = layers.ReLU(name=f"{name}_relu")(x)
    x = convolution(x, channels, 1, name=f"{name}_conv")
    return layers.AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)


def densenet(
    depths: tuple[int, ...], num_classes: int, growth: int = 32, channels: int = 64, *, name: str
) -> keras.Model:
    """Stem, blocks of `depths` layers with transitions between, global average pool, linear layer."""
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((None, None, 3), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    x = convolution(images, channels, 7, stride=2, name="conv0")
    x = batch_norm(x, name="norm0")
    x = layers.ReLU(name="relu0")(x)
    # Behind a relu nothing is smaller than the zeros of the padding: they never change a maximum.
    x = layers.ZeroPadding2D(1, name="pool0_padding")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool0")(x)
    for number, depth in enumerate(depths, start=1):
        x = dense_block(x, growth, depth, name=f"denseblock{number}")
        if number < len(depths):
            x = transition(x, x.shape[-1] // 2, name=f"transition{number}")
    x = batch_norm(x, name="norm5")
    x = layers.ReLU(name="relu5")(x)
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    x = layers.Dense(num_classes, name="classifier")(x)
    return keras.Model(images, x, name=name)


def densenet121(num_classes: int = 1000) -> keras.Model:
    """DenseNet-121 (Huang et al. 2016, arXiv:1608.06993); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(densenet121(num_classes=10)(keras.ops.zeros((2, 64, 64, 3))).shape)
    (2, 10)
    """
    return densenet((6, 12, 24, 16), num_classes, name="densenet121")


def densenet161(num_classes: int = 1000) -> keras.Model:
    """DenseNet-161, wider by half (Huang et al. 2016, arXiv:1608.06993); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(densenet161(num_classes=10)(keras.ops.zeros((2, 64, 64, 3))).shape)
    (2, 10)
    """
    return densenet((6, 12, 36, 24), num_classes, growth=48, channels=96, name="densenet161")
