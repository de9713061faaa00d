"""ShuffleNet V2 in Keras; (N, H, W, 3) to (N, classes). Functions apply at once what the classes elsewhere hold."""

from __future__ import annotations

from typing import Any

import keras
from keras import KerasTensor, layers


def convolution(x: KerasTensor, channels: int, kernel_size: int, stride: int = 1, *, name: str) -> KerasTensor:
    """A convolution without bias, padded alike on all sides: "same" at stride 2 would pad the far sides more."""
    if kernel_size > 1:
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_padding")(x)
    return layers.Conv2D(channels, kernel_size, strides=stride, use_bias=False, name=name)(x)


def depthwise(x: KerasTensor, stride: int, *, name: str) -> KerasTensor:
    """A 3x3 convolution of each channel by itself, without bias, padded alike on all sides."""
    x = layers.ZeroPadding2D(1, name=f"{name}_padding")(x)
    return layers.DepthwiseConv2D(3, strides=stride, use_bias=False, name=name)(x)


def batch_norm(x: KerasTensor, *, name: str) -> KerasTensor:
    """Batch normalisation; a batch moves the running statistics by a tenth."""
    return layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=name)(x)


@keras.saving.register_keras_serializable(package="xframe")
class ChannelShuffle(layers.Layer):
    """The first channel of each group, then the second of each, and so on.

    >>> ChannelShuffle(groups=2)(keras.ops.reshape(keras.ops.arange(6.0), (1, 1, 1, 6))).numpy().flatten().tolist()
    [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
    """

    def __init__(self, groups: int, **options: Any) -> None:
        super().__init__(**options)
        self.groups = groups

    def call(self, x: KerasTensor) -> KerasTensor:
        count, height, width, channels = keras.ops.shape(x)
        # Channels come last: groups x channels become channels x groups there too, and the order is the same.
        x = keras.ops.reshape(x, (count, height, width, self.groups, channels // self.groups))
        x = keras.ops.swapaxes(x, 3, 4)
        return keras.ops.reshape(x, (count, height, width, channels))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "groups": self.groups}


def inverted_residual(x: KerasTensor, channels: int, stride: int, *, name: str) -> KerasTensor:
    """Two branches, shuffled together. At stride 1 the first is half of the channels as they are."""
    half = channels // 2
    x1, x2 = (x, x) if stride > 1 else keras.ops.split(x, 2, axis=-1)
    if stride > 1:
        x1 = depthwise(x1, stride, name=f"{name}_branch1_0")
        x1 = batch_norm(x1, name=f"{name}_branch1_1")
        x1 = convolution(x1, half, 1, name=f"{name}_branch1_2")
        x1 = batch_norm(x1, name=f"{name}_branch1_3")
        x1 = layers.ReLU(name=f"{name}_branch1_4")(x1)
    x2 = convolution(x2, half, 1, name=f"{name}_branch2_0")
    x2 = batch_norm(x2, name=f"{name}_branch2_1")
    x2 = layers.ReLU(name=f"{name}_branch2_2")(x2)
    x2 = depthwise(x2, stride, name=f"{name}_branch2_3")
    x2 = batch_norm(x2, name=f"{name}_branch2_4")
    x2 = convolution(x2, half, 1, name=f"{name}_branch2_5")
    x2 = batch_norm(x2, name=f"{name}_branch2_6")
    x2 = layers.ReLU(name=f"{name}_branch2_7")(x2)
    out = layers.Concatenate(name=f"{name}_concat")([x1, x2])
    return ChannelShuffle(groups=2, name=f"{name}_shuffle")(out)


def stage(x: KerasTensor, channels: int, depth: int, *, name: str) -> KerasTensor:
    """`depth` blocks of equal width; the first one strides."""
    x = inverted_residual(x, channels, stride=2, name=f"{name}_0")
    for index in range(1, depth):
        x = inverted_residual(x, channels, stride=1, name=f"{name}_{index}")
    return x


def shufflenet_v2(depths: tuple[int, ...], widths: tuple[int, ...], num_classes: int, *, name: str) -> keras.Model:
    """Stem, three stages of `depths` blocks, a 1x1 convolution, global average pool, linear layer."""
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((None, None, 3), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    x = convolution(images, widths[0], 3, stride=2, name="conv1_0")
    x = batch_norm(x, name="conv1_1")
    x = layers.ReLU(name="conv1_2")(x)
    # Behind a relu nothing is smaller than the zeros of the padding: they never change a maximum.
    x = layers.ZeroPadding2D(1, name="maxpool_padding")(x)
    x = layers.MaxPooling2D(3, strides=2, name="maxpool")(x)
    x = stage(x, widths[1], depths[0], name="stage2")
    x = stage(x, widths[2], depths[1], name="stage3")
    x = stage(x, widths[3], depths[2], name="stage4")
    x = convolution(x, widths[4], 1, name="conv5_0")
    x = batch_norm(x, name="conv5_1")
    x = layers.ReLU(name="conv5_2")(x)
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    x = layers.Dense(num_classes, name="fc")(x)
    return keras.Model(images, x, name=name)


def shufflenet_v2_x1_0(num_classes: int = 1000) -> keras.Model:
    """ShuffleNet V2 (Ma et al. 2018, arXiv:1807.11164); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(shufflenet_v2_x1_0(num_classes=10)(keras.ops.zeros((2, 64, 64, 3))).shape)
    (2, 10)
    """
    return shufflenet_v2((4, 8, 4), (24, 116, 232, 464, 1024), num_classes, name="shufflenet_v2_x1_0")
