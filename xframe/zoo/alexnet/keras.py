"""AlexNet in Keras; (N, 224, 224, C) to (N, classes)."""

from __future__ import annotations

import keras
from keras import layers


def alexnet(in_channels: int = 1, num_classes: int = 1000, hidden: int = 4096) -> keras.Model:
    """AlexNet in one column instead of two (after Krizhevsky et al. 2012, doi:10.1145/3065386); returns logits.

    >>> tuple(alexnet(num_classes=10, hidden=8)(keras.ops.zeros((2, 224, 224, 1))).shape)
    (2, 10)
    """
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((224, 224, in_channels), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    conv = [
        layers.Conv2D(96, 11, strides=4, name="conv_0"),
        layers.ReLU(name="conv_1"),
        layers.MaxPooling2D(3, strides=2, name="conv_2"),
        # Keras cannot pad by a number within a convolution.
        layers.ZeroPadding2D(2, name="conv_3_padding"),
        layers.Conv2D(256, 5, name="conv_3"),
        layers.ReLU(name="conv_4"),
        layers.MaxPooling2D(3, strides=2, name="conv_5"),
        layers.ZeroPadding2D(1, name="conv_6_padding"),
        layers.Conv2D(384, 3, name="conv_6"),
        layers.ReLU(name="conv_7"),
        layers.ZeroPadding2D(1, name="conv_8_padding"),
        layers.Conv2D(384, 3, name="conv_8"),
        layers.ReLU(name="conv_9"),
        layers.ZeroPadding2D(1, name="conv_10_padding"),
        layers.Conv2D(256, 3, name="conv_10"),
        layers.ReLU(name="conv_11"),
        layers.MaxPooling2D(3, strides=2, name="conv_12"),
    ]
    # The inputs of fc_0 come in the order height, width, channels.
    flatten = layers.Flatten(name="flatten")
    fc = [
        layers.Dense(hidden, name="fc_0"),
        layers.ReLU(name="fc_1"),
        layers.Dropout(0.5, name="fc_2"),
        layers.Dense(hidden, name="fc_3"),
        layers.ReLU(name="fc_4"),
        layers.Dropout(0.5, name="fc_5"),
        layers.Dense(num_classes, name="fc_6"),
    ]

    x = images
    for layer in (*conv, flatten, *fc):
        x = layer(x)
    return keras.Model(images, x, name="alexnet")
