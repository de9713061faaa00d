"""AlexNet in Keras, after torchvision; (N, H, W, 3) to (N, classes)."""

from __future__ import annotations

import keras
from keras import KerasTensor, layers


def downscaled_dropout(x: KerasTensor, rate: float, *, name: str) -> KerasTensor:
    """Paddle's "downscale_in_infer": training drops and no more, inference multiplies by the share that was kept."""
    x = layers.Dropout(rate, name=name)(x)
    # A dropout divides by that share in training: multiplying undoes it there.
    return layers.Rescaling(1 - rate, name=f"{name}_scale")(x)


def dropout(x: KerasTensor, rate: float, downscale_in_infer: bool, *, name: str) -> KerasTensor:
    """Paddle's dropout where `downscale_in_infer`, else that which does nothing in inference."""
    return downscaled_dropout(x, rate, name=name) if downscale_in_infer else layers.Dropout(rate, name=name)(x)


def alexnet(num_classes: int = 1000, downscale_in_infer: bool = False) -> keras.Model:
    """AlexNet (after Krizhevsky 2014, arXiv:1404.5997); (N, H, W, 3) to (N, num_classes) logits.

    The default is torchvision's. Paddle's network drops with `downscale_in_infer`, which halves values in inference.

    >>> tuple(alexnet(num_classes=10)(keras.ops.zeros((2, 64, 64, 3))).shape)
    (2, 10)
    """
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((None, None, 3), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    # Keras cannot pad by a number within a convolution.
    x = layers.ZeroPadding2D(2, name="features_0_padding")(images)
    x = layers.Conv2D(64, 11, strides=4, name="features_0")(x)
    x = layers.ReLU(name="features_1")(x)
    x = layers.MaxPooling2D(3, strides=2, name="features_2")(x)
    x = layers.ZeroPadding2D(2, name="features_3_padding")(x)
    x = layers.Conv2D(192, 5, name="features_3")(x)
    x = layers.ReLU(name="features_4")(x)
    x = layers.MaxPooling2D(3, strides=2, name="features_5")(x)
    x = layers.ZeroPadding2D(1, name="features_6_padding")(x)
    x = layers.Conv2D(384, 3, name="features_6")(x)
    x = layers.ReLU(name="features_7")(x)
    x = layers.ZeroPadding2D(1, name="features_8_padding")(x)
    x = layers.Conv2D(256, 3, name="features_8")(x)
    x = layers.ReLU(name="features_9")(x)
    x = layers.ZeroPadding2D(1, name="features_10_padding")(x)
    x = layers.Conv2D(256, 3, name="features_10")(x)
    x = layers.ReLU(name="features_11")(x)
    x = layers.MaxPooling2D(3, strides=2, name="features_12")(x)
    x = layers.AdaptiveAveragePooling2D(6, name="avgpool")(x)
    # The inputs of classifier_1 come in the order height, width, channels.
    x = layers.Flatten(name="flatten")(x)
    x = dropout(x, 0.5, downscale_in_infer, name="classifier_0")
    x = layers.Dense(4096, name="classifier_1")(x)
    x = layers.ReLU(name="classifier_2")(x)
    x = dropout(x, 0.5, downscale_in_infer, name="classifier_3")
    x = layers.Dense(4096, name="classifier_4")(x)
    x = layers.ReLU(name="classifier_5")(x)
    x = layers.Dense(num_classes, name="classifier_6")(x)
    return keras.Model(images, x, name="alexnet")
