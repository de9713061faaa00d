"""Inception v3 in Keras, without auxiliary head; (N, H, W, 3) to (N, classes).

Functions apply at once what the classes elsewhere hold. `keras.applications.InceptionV3` is another network: at an
edge its average pools divide by the values that there are, where these divide by nine.
"""

from __future__ import annotations

from functools import partial

import keras
from keras import KerasTensor, layers

from xframe.zoo.squeezenet.keras import downscaled_dropout


def basic_conv2d(
    x: KerasTensor,
    channels: int,
    kernel_size: int | tuple[int, int],
    stride: int = 1,
    padded: bool = True,
    *,
    epsilon: float,
    name: str,
) -> KerasTensor:
    """A convolution without bias, batch norm, relu. `padded`, it keeps the size of the map."""
    height, width = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    padding = (height // 2, width // 2) if padded else (0, 0)
    if any(padding):
        x = layers.ZeroPadding2D(padding, name=f"{name}_padding")(x)
    x = layers.Conv2D(channels, (height, width), strides=stride, use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(epsilon=epsilon, momentum=0.9, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def max_pool(x: KerasTensor, *, name: str) -> KerasTensor:
    """The largest of 3x3 values; a window that reaches over the edge does not count."""
    return layers.MaxPooling2D(3, strides=2, name=name)(x)


def average_pool(x: KerasTensor, *, name: str) -> KerasTensor:
    """Means of 3x3 values; keeps the size of the map."""
    # The zeros of the padding count: at an edge, too, the sum is divided by nine.
    # Keras' own padding="same" would divide by the number of values that lie on the map.
    x = layers.ZeroPadding2D(1, name=f"{name}_padding")(x)
    return layers.AveragePooling2D(3, strides=1, name=name)(x)


def inception_a(x: KerasTensor, pool_channels: int, epsilon: float, *, name: str) -> KerasTensor:
    """One 1x1 convolution, one 5x5, two 3x3 in a row, a pool: side by side."""
    conv = partial(basic_conv2d, epsilon=epsilon)
    p1 = conv(x, 64, 1, name=f"{name}_branch1x1")
    p2 = conv(x, 48, 1, name=f"{name}_branch5x5_1")
    p2 = conv(p2, 64, 5, name=f"{name}_branch5x5_2")
    p3 = conv(x, 64, 1, name=f"{name}_branch3x3dbl_1")
    p3 = conv(p3, 96, 3, name=f"{name}_branch3x3dbl_2")
    p3 = conv(p3, 96, 3, name=f"{name}_branch3x3dbl_3")
    p4 = average_pool(x, name=f"{name}_pool")
    p4 = conv(p4, pool_channels, 1, name=f"{name}_branch_pool")
    return layers.Concatenate(name=name)([p1, p2, p3, p4])


def inception_b(x: KerasTensor, epsilon: float, *, name: str) -> KerasTensor:
    """One 3x3 convolution, two 3x3 in a row, a pool: side by side, and all stride."""
    conv = partial(basic_conv2d, epsilon=epsilon)
    p1 = conv(x, 384, 3, stride=2, padded=False, name=f"{name}_branch3x3")
    p2 = conv(x, 64, 1, name=f"{name}_branch3x3dbl_1")
    p2 = conv(p2, 96, 3, name=f"{name}_branch3x3dbl_2")
    p2 = conv(p2, 96, 3, stride=2, padded=False, name=f"{name}_branch3x3dbl_3")
    p3 = max_pool(x, name=f"{name}_pool")
    return layers.Concatenate(name=name)([p1, p2, p3])


def inception_c(x: KerasTensor, channels: int, epsilon: float, *, name: str) -> KerasTensor:
    """One 1x1 convolution, one 7x7, two 7x7 in a row, a pool: side by side. Each 7x7 is a 1x7 and a 7x1."""
    conv = partial(basic_conv2d, epsilon=epsilon)
    p1 = conv(x, 192, 1, name=f"{name}_branch1x1")
    p2 = conv(x, channels, 1, name=f"{name}_branch7x7_1")
    p2 = conv(p2, channels, (1, 7), name=f"{name}_branch7x7_2")
    p2 = conv(p2, 192, (7, 1), name=f"{name}_branch7x7_3")
    p3 = conv(x, channels, 1, name=f"{name}_branch7x7dbl_1")
    p3 = conv(p3, channels, (7, 1), name=f"{name}_branch7x7dbl_2")
    p3 = conv(p3, channels, (1, 7), name=f"{name}_branch7x7dbl_3")
    p3 = conv(p3, channels, (7, 1), name=f"{name}_branch7x7dbl_4")
    p3 = conv(p3, 192, (1, 7), name=f"{name}_branch7x7dbl_5")
    p4 = average_pool(x, name=f"{name}_pool")
    p4 = conv(p4, 192, 1, name=f"{name}_branch_pool")
    return layers.Concatenate(name=name)([p1, p2, p3, p4])


def inception_d(x: KerasTensor, epsilon: float, *, name: str) -> KerasTensor:
    """One 3x3 convolution, a 7x7 and a 3x3 in a row, a pool: side by side, and all stride."""
    conv = partial(basic_conv2d, epsilon=epsilon)
    p1 = conv(x, 192, 1, name=f"{name}_branch3x3_1")
    p1 = conv(p1, 320, 3, stride=2, padded=False, name=f"{name}_branch3x3_2")
    p2 = conv(x, 192, 1, name=f"{name}_branch7x7x3_1")
    p2 = conv(p2, 192, (1, 7), name=f"{name}_branch7x7x3_2")
    p2 = conv(p2, 192, (7, 1), name=f"{name}_branch7x7x3_3")
    p2 = conv(p2, 192, 3, stride=2, padded=False, name=f"{name}_branch7x7x3_4")
    p3 = max_pool(x, name=f"{name}_pool")
    return layers.Concatenate(name=name)([p1, p2, p3])


def inception_e(x: KerasTensor, epsilon: float, *, name: str) -> KerasTensor:
    """One 1x1 convolution, one 3x3, two 3x3 in a row, a pool: side by side. The last 3x3 is a 1x3 beside a 3x1."""
    conv = partial(basic_conv2d, epsilon=epsilon)
    p1 = conv(x, 320, 1, name=f"{name}_branch1x1")
    p2 = conv(x, 384, 1, name=f"{name}_branch3x3_1")
    p2a = conv(p2, 384, (1, 3), name=f"{name}_branch3x3_2a")
    p2b = conv(p2, 384, (3, 1), name=f"{name}_branch3x3_2b")
    p3 = conv(x, 448, 1, name=f"{name}_branch3x3dbl_1")
    p3 = conv(p3, 384, 3, name=f"{name}_branch3x3dbl_2")
    p3a = conv(p3, 384, (1, 3), name=f"{name}_branch3x3dbl_3a")
    p3b = conv(p3, 384, (3, 1), name=f"{name}_branch3x3dbl_3b")
    p4 = average_pool(x, name=f"{name}_pool")
    p4 = conv(p4, 192, 1, name=f"{name}_branch_pool")
    return layers.Concatenate(name=name)([p1, p2a, p2b, p3a, p3b, p4])


def inception_v3(
    num_classes: int = 1000, epsilon: float = 1e-3, dropout: float = 0.5, downscale_in_infer: bool = False
) -> keras.Model:
    """Inception v3 (Szegedy et al. 2015, arXiv:1512.00567); (N, H, W, 3) to (N, num_classes) logits.

    The defaults are torchvision's, with `aux_logits` and `transform_input` off. Paddle's network has an `epsilon` of
    1e-5 and a `dropout` of 0.2 that is `downscale_in_infer`.

    >>> tuple(inception_v3(num_classes=10)(keras.ops.zeros((2, 75, 75, 3))).shape)
    (2, 10)
    """
    conv = partial(basic_conv2d, epsilon=epsilon)
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((None, None, 3), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    x = conv(images, 32, 3, stride=2, padded=False, name="Conv2d_1a_3x3")
    x = conv(x, 32, 3, padded=False, name="Conv2d_2a_3x3")
    x = conv(x, 64, 3, name="Conv2d_2b_3x3")
    x = max_pool(x, name="maxpool1")
    x = conv(x, 80, 1, name="Conv2d_3b_1x1")
    x = conv(x, 192, 3, padded=False, name="Conv2d_4a_3x3")
    x = max_pool(x, name="maxpool2")
    x = inception_a(x, 32, epsilon, name="Mixed_5b")
    x = inception_a(x, 64, epsilon, name="Mixed_5c")
    x = inception_a(x, 64, epsilon, name="Mixed_5d")
    x = inception_b(x, epsilon, name="Mixed_6a")
    x = inception_c(x, 128, epsilon, name="Mixed_6b")
    x = inception_c(x, 160, epsilon, name="Mixed_6c")
    x = inception_c(x, 160, epsilon, name="Mixed_6d")
    x = inception_c(x, 192, epsilon, name="Mixed_6e")
    x = inception_d(x, epsilon, name="Mixed_7a")
    x = inception_e(x, epsilon, name="Mixed_7b")
    x = inception_e(x, epsilon, name="Mixed_7c")
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    if downscale_in_infer:
        x = downscaled_dropout(x, dropout, name="dropout")
    else:
        x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(num_classes, name="fc")(x)
    return keras.Model(images, x, name="inception_v3")
