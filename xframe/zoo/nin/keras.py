"""Network in network in Keras; (N, H, W, C) to (N, 10)."""

from __future__ import annotations

import keras
from keras import layers


def nin(in_channels: int = 3, wide: int = 192, middle: int = 160, narrow: int = 96) -> keras.Model:
    """Network in network (Lin et al. 2013, arXiv:1312.4400); (N, H, W, C) to (N, 10) logits.

    >>> tuple(nin()(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((None, None, in_channels), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    # Keras cannot pad by a number within a layer. Its "same" would pad a pool of stride 2 on the far sides only.
    conv1_padding = layers.ZeroPadding2D(2, name="conv1_padding")
    conv1 = layers.Conv2D(wide, 5, name="conv1")
    conv2 = layers.Conv2D(middle, 1, name="conv2")
    conv3 = layers.Conv2D(narrow, 1, name="conv3")
    # Behind a relu nothing is smaller than the zeros of the padding: they never change a maximum.
    pool3_padding = layers.ZeroPadding2D(1, name="pool3_padding")
    pool3 = layers.MaxPooling2D(3, strides=2, name="pool3")
    dropout3 = layers.Dropout(0.5, name="dropout3")
    conv4_padding = layers.ZeroPadding2D(2, name="conv4_padding")
    conv4 = layers.Conv2D(wide, 5, name="conv4")
    conv5 = layers.Conv2D(wide, 1, name="conv5")
    conv6 = layers.Conv2D(wide, 1, name="conv6")
    pool6_padding = layers.ZeroPadding2D(1, name="pool6_padding")
    pool6 = layers.MaxPooling2D(3, strides=2, name="pool6")
    dropout6 = layers.Dropout(0.5, name="dropout6")
    conv7_padding = layers.ZeroPadding2D(1, name="conv7_padding")
    conv7 = layers.Conv2D(wide, 3, name="conv7")
    conv8 = layers.Conv2D(wide, 1, name="conv8")
    conv9 = layers.Conv2D(10, 1, name="conv9")
    # It pools the whole map and flattens at once.
    pool9 = layers.GlobalAveragePooling2D(name="pool9")
    relu = layers.ReLU(name="relu")

    x = relu(conv1(conv1_padding(images)))
    x = relu(conv2(x))
    x = relu(conv3(x))
    x = dropout3(pool3(pool3_padding(x)))
    x = relu(conv4(conv4_padding(x)))
    x = relu(conv5(x))
    x = relu(conv6(x))
    x = dropout6(pool6(pool6_padding(x)))
    x = relu(conv7(conv7_padding(x)))
    x = relu(conv8(x))
    x = pool9(conv9(x))
    return keras.Model(images, x, name="nin")
