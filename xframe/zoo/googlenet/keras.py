"""GoogLeNet without batch norm and auxiliary heads in Keras; (N, H, W, 3) to (N, classes).

Functions apply at once what the classes elsewhere hold.
"""

from __future__ import annotations

import keras
from keras import KerasTensor, layers


def convolution(x: KerasTensor, channels: int, kernel_size: int, *, name: str) -> KerasTensor:
    """A convolution that keeps the size of the map, and the relu behind it."""
    if kernel_size > 1:
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_padding")(x)
    x = layers.Conv2D(channels, kernel_size, name=name)(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def max_pool(x: KerasTensor, stride: int, *, name: str) -> KerasTensor:
    """The largest of 3x3 values, padded alike on all sides: "same" at stride 2 would pad the far sides more."""
    # Behind a relu nothing is smaller than the zeros of the padding: they never change a maximum.
    x = layers.ZeroPadding2D(1, name=f"{name}_padding")(x)
    return layers.MaxPooling2D(3, strides=stride, name=name)(x)


def inception(x: KerasTensor, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int, *, name: str) -> KerasTensor:
    """Four paths side by side, their channels put together: `c1`, the second of `c2`, the second of `c3`, `c4`."""
    p1 = convolution(x, c1, 1, name=f"{name}_p1_1")
    p2 = convolution(x, c2[0], 1, name=f"{name}_p2_1")
    p2 = convolution(p2, c2[1], 3, name=f"{name}_p2_2")
    p3 = convolution(x, c3[0], 1, name=f"{name}_p3_1")
    p3 = convolution(p3, c3[1], 5, name=f"{name}_p3_2")
    p4 = max_pool(x, stride=1, name=f"{name}_p4_1")
    p4 = convolution(p4, c4, 1, name=f"{name}_p4_2")
    return layers.Concatenate(name=name)([p1, p2, p3, p4])


def googlenet(num_classes: int = 1) -> keras.Model:
    """GoogLeNet (Szegedy et al. 2014, arXiv:1409.4842); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(googlenet(num_classes=10)(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((None, None, 3), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    # The first convolution of the paper strides; this one does not.
    x = convolution(images, 64, 7, name="conv1")
    x = max_pool(x, stride=2, name="pool1")
    x = convolution(x, 64, 1, name="conv2_1")
    x = convolution(x, 192, 3, name="conv2_2")
    x = max_pool(x, stride=2, name="pool2")
    x = inception(x, 64, (96, 128), (16, 32), 32, name="block3_1")
    x = inception(x, 128, (128, 192), (32, 96), 64, name="block3_2")
    x = max_pool(x, stride=2, name="pool3")
    x = inception(x, 192, (96, 208), (16, 48), 64, name="block4_1")
    x = inception(x, 160, (112, 224), (24, 64), 64, name="block4_2")
    x = inception(x, 128, (128, 256), (24, 64), 64, name="block4_3")
    x = inception(x, 112, (144, 288), (32, 64), 64, name="block4_4")
    x = inception(x, 256, (160, 320), (32, 128), 128, name="block4_5")
    x = max_pool(x, stride=2, name="pool4")
    x = inception(x, 256, (160, 320), (32, 128), 128, name="block5_1")
    x = inception(x, 384, (192, 384), (48, 128), 128, name="block5_2")
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    x = layers.Dense(num_classes, name="fc")(x)
    return keras.Model(images, x, name="googlenet")
