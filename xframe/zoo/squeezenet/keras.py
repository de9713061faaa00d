"""SqueezeNet in Keras; (N, H, W, 3) to (N, classes). Functions apply at once what the classes elsewhere hold."""

from __future__ import annotations

import struct

import keras
from keras import KerasTensor, layers


def convolution(
    x: KerasTensor, channels: int, kernel_size: int, stride: int = 1, padding: int = 0, *, name: str
) -> KerasTensor:
    """A convolution with bias, padded alike on all sides, and the relu behind it."""
    if padding:
        x = layers.ZeroPadding2D(padding, name=f"{name}_padding")(x)
    x = layers.Conv2D(channels, kernel_size, strides=stride, name=name)(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def max_pool(x: KerasTensor, ceil_mode: bool, *, name: str) -> KerasTensor:
    """The largest of 3x3 values. With `ceil_mode`, a last window that reaches over the far edge counts too."""
    if ceil_mode:
        # Keras has no such mode: a row and a column more let that window in. A side that comes out even ignores them.
        # Behind a relu nothing is smaller than the zeros of the padding: they never change a maximum.
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_padding")(x)
    return layers.MaxPooling2D(3, strides=2, name=name)(x)


def fire(x: KerasTensor, squeeze: int, expand: int, *, name: str) -> KerasTensor:
    """A 1x1 convolution to few channels, then a 1x1 and a 3x3 one side by side, their channels put together."""
    x = convolution(x, squeeze, 1, name=f"{name}_squeeze")
    p1 = convolution(x, expand, 1, name=f"{name}_expand1x1")
    p2 = convolution(x, expand, 3, padding=1, name=f"{name}_expand3x3")
    return layers.Concatenate(name=name)([p1, p2])


def downscaled_dropout(x: KerasTensor, rate: float, *, name: str) -> KerasTensor:
    """Paddle's "downscale_in_infer": training drops and no more, inference multiplies by the share that was kept.

    >>> downscaled_dropout(keras.ops.ones((1, 2)), 0.2, name="dropout").numpy().tolist()
    [[0.800000011920929, 0.800000011920929]]
    """
    x = layers.Dropout(rate, name=name)(x)
    # Paddle holds the share in float32, whatever the type of the network: 0.8 is 0.800000011920929.
    (kept,) = struct.unpack("f", struct.pack("f", 1 - rate))
    # A dropout divides by the share in training: multiplying undoes it there.
    return layers.Rescaling(kept, name=f"{name}_scale")(x)


def squeezenet(num_classes: int, padding: int, ceil_mode: bool, downscale_in_infer: bool, *, name: str) -> keras.Model:
    """A strided convolution, eight fires with pools between, a convolution to classes, relu, global average pool."""
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((None, None, 3), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    x = convolution(images, 64, 3, stride=2, padding=padding, name="features_0")
    x = max_pool(x, ceil_mode, name="features_2")
    x = fire(x, 16, 64, name="features_3")
    x = fire(x, 16, 64, name="features_4")
    x = max_pool(x, ceil_mode, name="features_5")
    x = fire(x, 32, 128, name="features_6")
    x = fire(x, 32, 128, name="features_7")
    x = max_pool(x, ceil_mode, name="features_8")
    x = fire(x, 48, 192, name="features_9")
    x = fire(x, 48, 192, name="features_10")
    x = fire(x, 64, 256, name="features_11")
    x = fire(x, 64, 256, name="features_12")
    if downscale_in_infer:
        x = downscaled_dropout(x, 0.5, name="classifier_0")
    else:
        x = layers.Dropout(0.5, name="classifier_0")(x)
    x = convolution(x, num_classes, 1, name="classifier_1")
    x = layers.GlobalAveragePooling2D(name="classifier_3")(x)
    return keras.Model(images, x, name=name)


def squeezenet1_1(
    num_classes: int = 1000, padding: int = 0, ceil_mode: bool = True, downscale_in_infer: bool = False
) -> keras.Model:
    """SqueezeNet 1.1 (Iandola et al. 2016, arXiv:1602.07360); (N, H, W, 3) to (N, num_classes) logits, none negative.

    The defaults are torchvision's. Paddle's network pads the first convolution by 1, pools without `ceil_mode`, and
    drops with `downscale_in_infer`.

    >>> tuple(squeezenet1_1(num_classes=10)(keras.ops.zeros((2, 64, 64, 3))).shape)
    (2, 10)
    """
    return squeezenet(num_classes, padding, ceil_mode, downscale_in_infer, name="squeezenet1_1")
