"""A small convolutional network for MNIST in Keras; (N, 28, 28, 1) to (N, 10)."""

from __future__ import annotations

import keras
from keras import layers


def mnist_cnn() -> keras.Model:
    """Three convolutions and two dense layers; returns probabilities. Source: tensorflow.org/tutorials/images/cnn.

    >>> tuple(mnist_cnn()(keras.ops.zeros((2, 28, 28, 1))).shape)
    (2, 10)
    """
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((28, 28, 1), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    conv1 = layers.Conv2D(32, 3, name="conv2d")
    relu1 = layers.ReLU(name="relu1")
    pool1 = layers.MaxPooling2D(2, strides=2, name="pool1")
    conv2 = layers.Conv2D(64, 3, name="conv2d_1")
    relu2 = layers.ReLU(name="relu2")
    pool2 = layers.MaxPooling2D(2, strides=2, name="pool2")
    conv3 = layers.Conv2D(64, 3, name="conv2d_2")
    relu3 = layers.ReLU(name="relu3")
    flatten = layers.Flatten(name="flatten")  # H, W, C: the other frameworks flatten C, H, W
    fc1 = layers.Dense(64, name="dense")
    relu4 = layers.ReLU(name="relu4")
    fc2 = layers.Dense(10, name="dense_1")
    softmax = layers.Softmax(name="softmax")

    x = pool1(relu1(conv1(images)))
    x = pool2(relu2(conv2(x)))
    x = flatten(relu3(conv3(x)))
    x = relu4(fc1(x))
    return keras.Model(images, softmax(fc2(x)), name="mnist_cnn")
