"""MobileNetV3 in Keras; (N, H, W, 3) to (N, classes). Functions apply at once what the classes elsewhere hold.

`keras.applications.MobileNetV3Small` and `MobileNetV3Large` are other networks: where they stride they pad the far
sides only, and their last layers are convolutions.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import keras
from keras import KerasTensor, layers

from xframe.zoo.mobilenet.keras import Norm, convolution, depthwise, unit


def slow_batch_norm(x: KerasTensor, epsilon: float, *, name: str) -> KerasTensor:
    """Batch normalisation; a batch moves the running statistics by a hundredth."""
    return layers.BatchNormalization(epsilon=epsilon, momentum=0.99, name=name)(x)


def hard_sigmoid(x: KerasTensor, slope: float) -> KerasTensor:
    """A sigmoid of three straight pieces; torchvision's has a slope of a sixth."""
    return keras.ops.clip(x * slope + 0.5, 0, 1)


def squeeze_excitation(x: KerasTensor, squeezed: int, slope: float, *, name: str) -> KerasTensor:
    """Each channel times a factor that the means of all channels give."""
    scale = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_avgpool")(x)
    scale = layers.Conv2D(squeezed, 1, name=f"{name}_fc1")(scale)
    scale = layers.ReLU(name=f"{name}_activation")(scale)
    scale = layers.Conv2D(x.shape[-1], 1, name=f"{name}_fc2")(scale)
    return layers.Multiply(name=f"{name}_multiply")([hard_sigmoid(scale, slope), x])


class Block(NamedTuple):
    """One inverted residual of version 3; `squeezed` is 0 where nothing is squeezed."""

    kernel_size: int
    wide: int
    channels: int
    squeezed: int
    activation: str
    stride: int


def squeezed_residual(x: KerasTensor, block: Block, norm: Norm, slope: float, *, name: str) -> KerasTensor:
    """An inverted residual that weighs its channels before it projects them."""
    kernel_size, wide, channels, squeezed, activation, stride = block
    out, step = x, 0
    if wide != x.shape[-1]:
        out = convolution(out, wide, 1, name=f"{name}_0_0")
        out = unit(out, norm, activation, name=f"{name}_0")
        step = 1
    out = depthwise(out, kernel_size, stride, name=f"{name}_{step}_0")
    out = unit(out, norm, activation, name=f"{name}_{step}")
    if squeezed:
        step += 1
        out = squeeze_excitation(out, squeezed, slope, name=f"{name}_{step}")
    out = convolution(out, channels, 1, name=f"{name}_{step + 1}_0")
    out = unit(out, norm, name=f"{name}_{step + 1}")
    return layers.Add(name=f"{name}_add")([x, out]) if stride == 1 and x.shape[-1] == channels else out


def mobilenet_v3(
    blocks: tuple[Block, ...], hidden: int, num_classes: int, epsilon: float, slope: float, *, name: str
) -> keras.Model:
    """Stem, `blocks`, a 1x1 convolution, global average pool, two linear layers."""
    # Keras would read float64 images as float32 unless the input has the dtype of the layers.
    images = keras.Input((None, None, 3), dtype=keras.config.dtype_policy().compute_dtype, name="images")
    norm = partial(slow_batch_norm, epsilon=epsilon)
    x = convolution(images, 16, 3, stride=2, name="features_0_0")
    x = unit(x, norm, "hard_swish", name="features_0")
    for number, block in enumerate(blocks, start=1):
        x = squeezed_residual(x, block, norm, slope, name=f"features_{number}_block")
    last = f"features_{len(blocks) + 1}"
    x = convolution(x, 6 * x.shape[-1], 1, name=f"{last}_0")
    x = unit(x, norm, "hard_swish", name=last)
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    x = layers.Dense(hidden, name="classifier_0")(x)
    x = layers.Activation("hard_swish", name="classifier_1")(x)
    x = layers.Dropout(0.2, name="classifier_2")(x)
    x = layers.Dense(num_classes, name="classifier_3")(x)
    return keras.Model(images, x, name=name)


SMALL = (
    Block(3, 16, 16, 8, "relu", 2),
    Block(3, 72, 24, 0, "relu", 2),
    Block(3, 88, 24, 0, "relu", 1),
    Block(5, 96, 40, 24, "hard_swish", 2),
    Block(5, 240, 40, 64, "hard_swish", 1),
    Block(5, 240, 40, 64, "hard_swish", 1),
    Block(5, 120, 48, 32, "hard_swish", 1),
    Block(5, 144, 48, 40, "hard_swish", 1),
    Block(5, 288, 96, 72, "hard_swish", 2),
    Block(5, 576, 96, 144, "hard_swish", 1),
    Block(5, 576, 96, 144, "hard_swish", 1),
)
LARGE = (
    Block(3, 16, 16, 0, "relu", 1),
    Block(3, 64, 24, 0, "relu", 2),
    Block(3, 72, 24, 0, "relu", 1),
    Block(5, 72, 40, 24, "relu", 2),
    Block(5, 120, 40, 32, "relu", 1),
    Block(5, 120, 40, 32, "relu", 1),
    Block(3, 240, 80, 0, "hard_swish", 2),
    Block(3, 200, 80, 0, "hard_swish", 1),
    Block(3, 184, 80, 0, "hard_swish", 1),
    Block(3, 184, 80, 0, "hard_swish", 1),
    Block(3, 480, 112, 120, "hard_swish", 1),
    Block(3, 672, 112, 168, "hard_swish", 1),
    Block(5, 672, 160, 168, "hard_swish", 2),
    Block(5, 960, 160, 240, "hard_swish", 1),
    Block(5, 960, 160, 240, "hard_swish", 1),
)


def mobilenet_v3_small(num_classes: int = 1000, epsilon: float = 1e-3, slope: float = 1 / 6) -> keras.Model:
    """MobileNetV3-Small (Howard et al. 2019, arXiv:1905.02244); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(mobilenet_v3_small(num_classes=10)(keras.ops.zeros((2, 64, 64, 3))).shape)
    (2, 10)
    """
    return mobilenet_v3(SMALL, 1024, num_classes, epsilon, slope, name="mobilenet_v3_small")


def mobilenet_v3_large(num_classes: int = 1000, epsilon: float = 1e-3, slope: float = 1 / 6) -> keras.Model:
    """MobileNetV3-Large (Howard et al. 2019, arXiv:1905.02244); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(mobilenet_v3_large(num_classes=10)(keras.ops.zeros((2, 64, 64, 3))).shape)
    (2, 10)
    """
    return mobilenet_v3(LARGE, 1280, num_classes, epsilon, slope, name="mobilenet_v3_large")
