"""A residual network without batch norm in Keras; (N, 32, 32, 3) to (N, 10)."""

from __future__ import annotations

import keras
from keras import KerasTensor, layers


def residual(x: KerasTensor, channels: int, *, name: str) -> KerasTensor:
    """Two 3x3 convolutions and their relus, added to what they read; no relu behind the sum."""
    layer = [
        # Keras cannot pad by a number within a convolution.
        layers.ZeroPadding2D(1, name=f"{name}_layer_0_padding"),
        layers.Conv2D(channels, 3, name=f"{name}_layer_0"),
        layers.ReLU(name=f"{name}_layer_1"),
        layers.ZeroPadding2D(1, name=f"{name}_layer_2_padding"),
        layers.Conv2D(channels, 3, name=f"{name}_layer_2"),
        layers.ReLU(name=f"{name}_layer_3"),
    ]
    out = x
    for step in layer:
        out = step(out)
    return layers.Add(name=name)([out, x])


def cifar_resnet() -> keras.Model:
    """A residual network without batch norm (after He et al. 2015, arXiv:1512.03385); returns probabilities.

    >>> tuple(cifar_resnet()(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((32, 32, 3), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    x = layers.ZeroPadding2D(1, name="conv_layer_0_padding")(images)
    x = layers.Conv2D(64, 3, name="conv_layer_0")(x)
    x = layers.ReLU(name="conv_layer_1")(x)
    x = layers.MaxPooling2D(2, strides=2, name="conv_layer_2")(x)
    x = layers.ReLU(name="conv_layer_3")(x)
    x = residual(x, 64, name="conv_layer_4")
    x = layers.Conv2D(128, 3, name="conv_layer_5")(x)
    x = layers.ReLU(name="conv_layer_6")(x)
    x = residual(x, 128, name="conv_layer_7")
    x = residual(x, 128, name="conv_layer_8")
    x = layers.Conv2D(256, 3, name="conv_layer_9")(x)
    x = layers.ReLU(name="conv_layer_10")(x)
    x = residual(x, 256, name="conv_layer_11")
    x = residual(x, 256, name="conv_layer_12")
    x = residual(x, 256, name="conv_layer_13")
    x = layers.Conv2D(512, 3, name="conv_layer_14")(x)
    x = layers.ReLU(name="conv_layer_15")(x)
    x = residual(x, 512, name="conv_layer_16")
    # The inputs of linear_layer_0 come in the order height, width, channels.
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(1024, name="linear_layer_0")(x)
    x = layers.ReLU(name="linear_layer_1")(x)
    x = layers.Dropout(0.5, name="linear_layer_2")(x)
    x = layers.Dense(512, name="linear_layer_3")(x)
    x = layers.ReLU(name="linear_layer_4")(x)
    x = layers.Dropout(0.5, name="linear_layer_5")(x)
    x = layers.Dense(10, name="linear_layer_6")(x)
    x = layers.Softmax(name="linear_layer_7")(x)
    return keras.Model(images, x, name="cifar_resnet")
