"""VGG in Keras, after torchvision; (N, H, W, 3) to (N, classes).

Functions apply at once what the classes elsewhere hold.
"""

from __future__ import annotations

import keras
from keras import KerasTensor, layers

from xframe.zoo.vgg.keras import FEATURES, adaptive, features


def classifier(x: KerasTensor, num_classes: int) -> KerasTensor:
    """Three linear layers with dropouts between."""
    x = layers.Dense(4096, name="classifier_0")(x)
    x = layers.ReLU(name="classifier_1")(x)
    x = layers.Dropout(0.5, name="classifier_2")(x)
    x = layers.Dense(4096, name="classifier_3")(x)
    x = layers.ReLU(name="classifier_4")(x)
    x = layers.Dropout(0.5, name="classifier_5")(x)
    return layers.Dense(num_classes, name="classifier_6")(x)


def vgg(plan: str, num_classes: int, *, name: str) -> keras.Model:
    """The convolutions of `plan`, average pool to 7x7, three linear layers."""
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((None, None, 3), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    x = features(images, plan, normalised=False)
    x = adaptive(x, 7, name="avgpool")
    # The inputs of classifier_0 come in the order height, width, channels.
    x = layers.Flatten(name="flatten")(x)
    x = classifier(x, num_classes)
    return keras.Model(images, x, name=name)


def vgg16(num_classes: int = 1000) -> keras.Model:
    """VGG-16 (Simonyan and Zisserman 2014, arXiv:1409.1556); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(vgg16(num_classes=10)(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    return vgg(FEATURES[16], num_classes, name="vgg16")


def vgg19(num_classes: int = 1000) -> keras.Model:
    """VGG-19 (Simonyan and Zisserman 2014, arXiv:1409.1556); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(vgg19(num_classes=10)(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    return vgg(FEATURES[19], num_classes, name="vgg19")
