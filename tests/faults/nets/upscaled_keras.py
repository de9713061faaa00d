"""A small map that grows, in Keras; (N, 5, 4, 3) to (N, 11, 9, 4)."""

import keras
from keras import layers


def upscaled(groups=2):
    images = keras.Input((5, 4, 3), dtype=keras.config.dtype_policy().compute_dtype)
    x = layers.Conv2DTranspose(4, 3, strides=2, name="grow")(images)
    x = layers.PReLU(shared_axes=[1, 2], name="slope")(x)
    return keras.Model(images, layers.GroupNormalization(groups, epsilon=1e-5, name="norm")(x))
