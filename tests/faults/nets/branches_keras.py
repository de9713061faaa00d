"""A small network with two branches in Keras; (N, 8, 8, 1) to (N, 5)."""

import keras
from keras import layers


def branches():
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv1")(image)
    x = keras.ops.relu(layers.BatchNormalization(epsilon=1e-5, name="norm1")(x))
    both = layers.Conv2D(4, 3, padding="same", name="conv2")(x), layers.Conv2D(4, 1, name="conv3")(x)
    x = keras.ops.relu(keras.ops.concatenate(both, -1))
    x = layers.MaxPooling2D(3, 2, name="pool")(layers.ZeroPadding2D(1)(x))  # nothing is below a relu's zeros
    x = keras.ops.relu(layers.Dense(128, name="square")(layers.Flatten()(x)))
    return keras.Model(image, layers.Dense(5, name="head")(x))
