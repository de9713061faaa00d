"""GoogLeNet with two auxiliary heads in Keras; (N, 224, 224, 3) to three times (N, classes).

The names are torchvision's, the network is Paddle's. Functions apply at once what the classes elsewhere hold.
"""

from __future__ import annotations

import keras
from keras import KerasTensor, layers

# What Paddle multiplies by in inference, by the share that is dropped in training: 1 - p in float32, in float64 too.
KEPT = {0.4: 0.6000000238418579, 0.7: 0.30000001192092896}


def basic_conv(x: KerasTensor, channels: int, kernel_size: int, stride: int = 1, *, name: str) -> KerasTensor:
    """A convolution without bias, padded alike on all sides; neither batch norm nor relu behind it."""
    # "same" at stride 2 would pad the far sides more.
    if kernel_size > 1:
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_padding")(x)
    return layers.Conv2D(channels, kernel_size, strides=stride, use_bias=False, name=f"{name}_conv")(x)


def downscaled_dropout(x: KerasTensor, rate: float, *, name: str) -> KerasTensor:
    """Paddle's "downscale_in_infer": training drops and no more, inference multiplies by the share that was kept."""
    x = layers.Dropout(rate, name=name)(x)
    # A dropout divides by that share in training: multiplying undoes it there.
    return layers.Rescaling(KEPT[rate], name=f"{name}_scale")(x)


def inception(x: KerasTensor, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int, *, name: str) -> KerasTensor:
    """Four branches side by side, their channels put together: `c1`, the second of `c2`, the second of `c3`, `c4`.

    One relu behind them all.
    """
    branch1 = basic_conv(x, c1, 1, name=f"{name}_branch1")
    branch2 = basic_conv(x, c2[0], 1, name=f"{name}_branch2_0")
    branch2 = basic_conv(branch2, c2[1], 3, name=f"{name}_branch2_1")
    branch3 = basic_conv(x, c3[0], 1, name=f"{name}_branch3_0")
    branch3 = basic_conv(branch3, c3[1], 5, name=f"{name}_branch3_1")
    # No relu comes before the first inception, so zeros could win: "same" pads with what cannot, at stride 1 alike.
    branch4 = layers.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_branch4_0")(x)
    branch4 = basic_conv(branch4, c4, 1, name=f"{name}_branch4_1")
    x = layers.Concatenate(name=name)([branch1, branch2, branch3, branch4])
    return layers.ReLU(name=f"{name}_relu")(x)


def inception_aux(x: KerasTensor, num_classes: int, *, rectified: bool, name: str) -> KerasTensor:
    """An auxiliary head for a map of 11x11 to 13x13: average pool to 3x3, 1x1 convolution, two linear layers."""
    x = layers.AveragePooling2D(5, strides=3, name=f"{name}_avgpool")(x)
    x = basic_conv(x, 128, 1, name=f"{name}_conv")
    # The inputs of fc1 come in the order height, width, channels. They are 3 x 3 x 128 from every map that fits.
    x = layers.Reshape((3 * 3 * 128,), name=f"{name}_flatten")(x)
    x = layers.Dense(1024, name=f"{name}_fc1")(x)
    if rectified:
        x = layers.ReLU(name=f"{name}_relu")(x)
    x = downscaled_dropout(x, 0.7, name=f"{name}_dropout")
    return layers.Dense(num_classes, name=f"{name}_fc2")(x)


def googlenet(num_classes: int = 1000) -> keras.Model:
    """GoogLeNet as Paddle has it (after Szegedy et al. 2014, arXiv:1409.4842).

    (N, 224, 224, 3) to logits of the network and of its two auxiliary heads, each (N, num_classes), in inference too.

    >>> [tuple(logits.shape) for logits in googlenet(num_classes=10)(keras.ops.zeros((2, 192, 224, 3)))]
    [(2, 10), (2, 10), (2, 10)]
    """
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((None, None, 3), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    x = basic_conv(images, 64, 7, stride=2, name="conv1")
    x = layers.MaxPooling2D(3, strides=2, name="maxpool1")(x)
    x = basic_conv(x, 64, 1, name="conv2")
    x = basic_conv(x, 192, 3, name="conv3")
    x = layers.MaxPooling2D(3, strides=2, name="maxpool2")(x)
    x = inception(x, 64, (96, 128), (16, 32), 32, name="inception3a")
    x = inception(x, 128, (128, 192), (32, 96), 64, name="inception3b")
    x = layers.MaxPooling2D(3, strides=2, name="maxpool3")(x)
    x = inception(x, 192, (96, 208), (16, 48), 64, name="inception4a")
    # Paddle has a relu in its first auxiliary head alone.
    aux1 = inception_aux(x, num_classes, rectified=True, name="aux1")
    x = inception(x, 160, (112, 224), (24, 64), 64, name="inception4b")
    x = inception(x, 128, (128, 256), (24, 64), 64, name="inception4c")
    x = inception(x, 112, (144, 288), (32, 64), 64, name="inception4d")
    aux2 = inception_aux(x, num_classes, rectified=False, name="aux2")
    x = inception(x, 256, (160, 320), (32, 128), 128, name="inception4e")
    x = layers.MaxPooling2D(3, strides=2, name="maxpool4")(x)
    x = inception(x, 256, (160, 320), (32, 128), 128, name="inception5a")
    x = inception(x, 384, (192, 384), (48, 128), 128, name="inception5b")
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    x = downscaled_dropout(x, 0.4, name="dropout")
    x = layers.Dense(num_classes, name="fc")(x)
    return keras.Model(images, [x, aux1, aux2], name="googlenet")
