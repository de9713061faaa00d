"""VGG in Keras; (N, H, W, 3) to (N, classes). Functions apply at once what the classes elsewhere hold."""

from __future__ import annotations

import itertools

import keras
from keras import KerasTensor, layers

# Channels of the convolutions, and M where the map is halved.
FEATURES = {
    7: "64 M 128 M 256 256 M",
    9: "64 M 128 M 256 256 M 512 512 M",
    11: "64 M 128 M 256 256 M 512 512 M 512 512 M",
    13: "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    16: "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    19: "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}


def convolution(x: KerasTensor, channels: int, *, name: str) -> KerasTensor:
    """A 3x3 convolution that keeps the size of the map."""
    x = layers.ZeroPadding2D(1, name=f"{name}_padding")(x)
    return layers.Conv2D(channels, 3, name=name)(x)


def batch_norm(x: KerasTensor, *, name: str) -> KerasTensor:
    """Batch normalisation; a batch moves the running statistics by a tenth."""
    return layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=name)(x)


def adaptive(x: KerasTensor, size: int, *, name: str) -> KerasTensor:
    """Average pool to size x size, from a map of any size."""
    # Of a length n, bin i holds floor(i n / size) up to ceil((i + 1) n / size): bins may overlap and differ in length.
    return layers.AdaptiveAveragePooling2D(size, name=name)(x)


def features(x: KerasTensor, plan: str, *, normalised: bool) -> KerasTensor:
    """Convolution, batch norm where `normalised`, and relu for every number of `plan`."""
    names = (f"features_{number}" for number in itertools.count())
    for step in plan.split():
        if step == "M":
            x = layers.MaxPooling2D(2, strides=2, name=next(names))(x)
            continue
        x = convolution(x, int(step), name=next(names))
        if normalised:
            x = batch_norm(x, name=next(names))
        x = layers.ReLU(name=next(names))(x)
    return x


def classifier(x: KerasTensor, num_classes: int, hidden1: int, hidden2: int) -> KerasTensor:
    """Three linear layers behind dropouts."""
    x = layers.Dropout(0.4, name="classifier_0")(x)
    x = layers.Dense(hidden1, name="classifier_1")(x)
    x = layers.ReLU(max_value=6, name="classifier_2")(x)
    x = layers.Dropout(0.4, name="classifier_3")(x)
    x = layers.Dense(hidden2, name="classifier_4")(x)
    x = layers.ReLU(max_value=6, name="classifier_5")(x)
    x = layers.Dropout(0.4, name="classifier_6")(x)
    return layers.Dense(num_classes, name="classifier_7")(x)


def vgg(plan: str, num_classes: int, hidden1: int, hidden2: int, *, normalised: bool = False, name: str) -> keras.Model:
    """The convolutions of `plan`, average pool to 7x7, three linear layers."""
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((None, None, 3), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    x = features(images, plan, normalised=normalised)
    x = adaptive(x, 7, name="avgpool")
    # The inputs of classifier_1 come in the order height, width, channels.
    x = layers.Flatten(name="flatten")(x)
    x = classifier(x, num_classes, hidden1, hidden2)
    return keras.Model(images, x, name=name)


def vgg7(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> keras.Model:
    """Four convolutions; (N, H, W, 3) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg7(num_classes=10, hidden1=8, hidden2=8)(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    return vgg(FEATURES[7], num_classes, hidden1, hidden2, name="vgg7")


def vgg7_bn(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> keras.Model:
    """Four convolutions, each with batch norm; (N, H, W, 3) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg7_bn(num_classes=10, hidden1=8, hidden2=8)(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    return vgg(FEATURES[7], num_classes, hidden1, hidden2, normalised=True, name="vgg7_bn")


def vgg9(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> keras.Model:
    """Six convolutions; (N, H, W, 3) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg9(num_classes=10, hidden1=8, hidden2=8)(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    return vgg(FEATURES[9], num_classes, hidden1, hidden2, name="vgg9")


def vgg9_bn(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> keras.Model:
    """Six convolutions, each with batch norm; (N, H, W, 3) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg9_bn(num_classes=10, hidden1=8, hidden2=8)(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    return vgg(FEATURES[9], num_classes, hidden1, hidden2, normalised=True, name="vgg9_bn")


def vgg11(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> keras.Model:
    """Eight convolutions; (N, H, W, 3) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg11(num_classes=10, hidden1=8, hidden2=8)(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    return vgg(FEATURES[11], num_classes, hidden1, hidden2, name="vgg11")


def vgg11_bn(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> keras.Model:
    """Eight convolutions, each with batch norm; (N, H, W, 3) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg11_bn(num_classes=10, hidden1=8, hidden2=8)(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    return vgg(FEATURES[11], num_classes, hidden1, hidden2, normalised=True, name="vgg11_bn")


def vgg13(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> keras.Model:
    """Ten convolutions; (N, H, W, 3) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg13(num_classes=10, hidden1=8, hidden2=8)(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    return vgg(FEATURES[13], num_classes, hidden1, hidden2, name="vgg13")


def vgg13_bn(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> keras.Model:
    """Ten convolutions, each with batch norm; (N, H, W, 3) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg13_bn(num_classes=10, hidden1=8, hidden2=8)(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    return vgg(FEATURES[13], num_classes, hidden1, hidden2, normalised=True, name="vgg13_bn")


def vgg16(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> keras.Model:
    """Thirteen convolutions; (N, H, W, 3) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg16(num_classes=10, hidden1=8, hidden2=8)(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    return vgg(FEATURES[16], num_classes, hidden1, hidden2, name="vgg16")


def vgg16_bn(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> keras.Model:
    """Thirteen convolutions, each with batch norm; (N, H, W, 3) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg16_bn(num_classes=10, hidden1=8, hidden2=8)(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    return vgg(FEATURES[16], num_classes, hidden1, hidden2, normalised=True, name="vgg16_bn")


def vgg19(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> keras.Model:
    """Sixteen convolutions; (N, H, W, 3) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg19(num_classes=10, hidden1=8, hidden2=8)(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    return vgg(FEATURES[19], num_classes, hidden1, hidden2, name="vgg19")


def vgg19_bn(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> keras.Model:
    """Sixteen convolutions, each with batch norm; (N, H, W, 3) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg19_bn(num_classes=10, hidden1=8, hidden2=8)(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 10)
    """
    return vgg(FEATURES[19], num_classes, hidden1, hidden2, normalised=True, name="vgg19_bn")


def vgg16_plain(num_classes: int = 1, hidden: int = 4096) -> keras.Model:
    """Thirteen convolutions; (N, 224, 224, 3) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg16_plain(hidden=8)(keras.ops.zeros((1, 224, 224, 3))).shape)
    (1, 1)
    """
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((224, 224, 3), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    relu = layers.ReLU(name="relu")
    pool = layers.MaxPooling2D(2, strides=2, name="pool")
    x = relu(convolution(images, 64, name="conv1_1"))
    x = pool(relu(convolution(x, 64, name="conv1_2")))
    x = relu(convolution(x, 128, name="conv2_1"))
    x = pool(relu(convolution(x, 128, name="conv2_2")))
    x = relu(convolution(x, 256, name="conv3_1"))
    x = relu(convolution(x, 256, name="conv3_2"))
    x = pool(relu(convolution(x, 256, name="conv3_3")))
    x = relu(convolution(x, 512, name="conv4_1"))
    x = relu(convolution(x, 512, name="conv4_2"))
    x = pool(relu(convolution(x, 512, name="conv4_3")))
    x = relu(convolution(x, 512, name="conv5_1"))
    x = relu(convolution(x, 512, name="conv5_2"))
    x = pool(relu(convolution(x, 512, name="conv5_3")))
    # The inputs of fc1_0 come in the order height, width, channels.
    x = layers.Flatten(name="flatten")(x)
    x = layers.ReLU(name="fc1_1")(layers.Dense(hidden, name="fc1_0")(x))
    # The original applies relu within fc1 and fc2 and again behind them; the second one changes nothing.
    x = layers.Dropout(0.5, name="dropout1")(relu(x))
    x = layers.ReLU(name="fc2_1")(layers.Dense(hidden, name="fc2_0")(x))
    x = layers.Dropout(0.5, name="dropout2")(relu(x))
    x = layers.Dense(num_classes, name="fc3")(x)
    return keras.Model(images, x, name="vgg16_plain")
