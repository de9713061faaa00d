"""LeNet-5 in Keras; (N, 32, 32, 1) to (N, 10)."""

from __future__ import annotations

import keras
from keras import layers


def lenet5_maxavg() -> keras.Model:
    """LeNet-5 with relu, a max and an average pool; returns logits. Layers are numbered as in the original paper.

    >>> tuple(lenet5_maxavg()(keras.ops.zeros((2, 32, 32, 1))).shape)
    (2, 10)
    """
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((32, 32, 1), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    conv1 = layers.Conv2D(6, 5, name="conv1")
    relu1 = layers.ReLU(name="relu1")
    pool2 = layers.MaxPooling2D(2, strides=2, name="pool2")
    conv3 = layers.Conv2D(16, 5, name="conv3")
    relu3 = layers.ReLU(name="relu3")
    pool4 = layers.AveragePooling2D(2, strides=2, name="pool4")
    conv5 = layers.Conv2D(120, 5, name="conv5")
    relu5 = layers.ReLU(name="relu5")
    flatten = layers.Flatten(name="flatten")
    linear6 = layers.Dense(84, name="linear6")
    relu6 = layers.ReLU(name="relu6")
    linear7 = layers.Dense(10, name="linear7")

    x = pool2(relu1(conv1(images)))
    x = pool4(relu3(conv3(x)))
    x = flatten(relu5(conv5(x)))
    x = relu6(linear6(x))
    return keras.Model(images, linear7(x), name="lenet5_maxavg")
