"""LeNet-5 in Keras; (N, 32, 32, 1) to (N, 10)."""

from __future__ import annotations

import keras
from keras import KerasTensor, layers


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


def lenet5() -> keras.Model:
    """LeNet-5 with relu and average pools; returns probabilities. Source: doi:10.1109/5.726791.

    >>> tuple(lenet5()(keras.ops.zeros((2, 32, 32, 1))).shape)
    (2, 10)
    """
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((32, 32, 1), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    conv1 = layers.Conv2D(6, 5, name="conv2d")
    relu1 = layers.ReLU(name="relu1")
    pool1 = layers.AveragePooling2D(2, strides=2, name="pool1")
    conv2 = layers.Conv2D(16, 5, name="conv2d_1")
    relu2 = layers.ReLU(name="relu2")
    pool2 = layers.AveragePooling2D(2, strides=2, name="pool2")
    flatten = layers.Flatten(name="flatten")  # H, W, C: the other frameworks flatten C, H, W
    fc1 = layers.Dense(120, name="dense")
    relu3 = layers.ReLU(name="relu3")
    fc2 = layers.Dense(84, name="dense_1")
    relu4 = layers.ReLU(name="relu4")
    fc3 = layers.Dense(10, name="dense_2")
    softmax = layers.Softmax(name="softmax")

    x = pool1(relu1(conv1(images)))
    x = pool2(relu2(conv2(x)))
    x = flatten(x)
    x = relu3(fc1(x))
    x = relu4(fc2(x))
    return keras.Model(images, softmax(fc3(x)), name="lenet5")


def reshape() -> layers.Layer:
    """Images of any shape with 1,024 pixels, as 32x32x1."""
    return layers.Reshape((32, 32, 1), name="reshape")


def lenet5_sigmoid() -> keras.Model:
    """LeNet-5 with sigmoids and average pools; returns logits. Source: doi:10.1109/5.726791.

    >>> tuple(lenet5_sigmoid()(keras.ops.zeros((2, 32, 32, 1))).shape)
    (2, 10)
    """
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((32, 32, 1), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    sequence = (
        reshape(),
        layers.Conv2D(6, 5, name="conv1"),
        layers.Activation("sigmoid", name="sigmoid1"),
        layers.AveragePooling2D(2, strides=2, name="pool1"),
        layers.Conv2D(16, 5, name="conv2"),
        layers.Activation("sigmoid", name="sigmoid2"),
        layers.AveragePooling2D(2, strides=2, name="pool2"),
        layers.Flatten(name="flatten"),  # H, W, C: the other frameworks flatten C, H, W
        layers.Dense(120, name="fc1"),
        layers.Activation("sigmoid", name="sigmoid3"),
        layers.Dense(84, name="fc2"),
        layers.Activation("sigmoid", name="sigmoid4"),
        layers.Dense(10, name="fc3"),
    )
    x = images
    for layer in sequence:
        x = layer(x)
    return keras.Model(images, x, name="lenet5_sigmoid")


@keras.saving.register_keras_serializable(package="xframe")
class Subsampling(layers.Layer):
    """Means of 2x2 pixels, times a learned weight per channel, plus a learned bias."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[-1:]
        self.weight = self.add_weight(shape=channels, initializer="ones", name="weight")
        self.bias = self.add_weight(shape=channels, initializer="zeros", name="bias")

    def call(self, x: KerasTensor) -> KerasTensor:
        x = keras.ops.average_pool(x, 2, strides=2, data_format="channels_last")
        return x * self.weight + self.bias


def lenet5_subsampling() -> keras.Model:
    """LeNet-5 with tanh and learned subsampling; returns logits. Source: doi:10.1109/5.726791.

    >>> tuple(lenet5_subsampling()(keras.ops.zeros((2, 32, 32, 1))).shape)
    (2, 10)
    """
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((32, 32, 1), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    con_sam = (
        layers.Conv2D(6, 5, name="con_sam_0"),
        layers.Activation("tanh", name="con_sam_1"),
        Subsampling(name="con_sam_2"),
        layers.Activation("tanh", name="con_sam_3"),
        layers.Conv2D(16, 5, name="con_sam_4"),
        layers.Activation("tanh", name="con_sam_5"),
        Subsampling(name="con_sam_6"),
        layers.Activation("tanh", name="con_sam_7"),
        layers.Conv2D(120, 5, name="con_sam_8"),
        layers.Activation("tanh", name="con_sam_9"),
    )
    flatten = layers.Flatten(name="flatten")
    fc = (
        layers.Dense(84, name="fc_0"),
        layers.Activation("tanh", name="fc_1"),
        layers.Dense(10, name="fc_2"),
    )
    x = images
    for layer in (*con_sam, flatten, *fc):
        x = layer(x)
    return keras.Model(images, x, name="lenet5_subsampling")
