"""Deeper and wider residual networks in Keras; (N, H, W, 3) to (N, classes). A class in PyTorch is a function here."""

from __future__ import annotations

from functools import partial

import keras
from keras import KerasTensor, layers

from xframe.zoo.resnet.keras import basic_block, batch_norm, convolution, resnet


def grouped_convolution(x: KerasTensor, channels: int, groups: int, stride: int = 1, *, name: str) -> KerasTensor:
    """A 3x3 convolution without bias, padded alike on all sides; the groups of channels do not mix."""
    x = layers.ZeroPadding2D(1, name=f"{name}_padding")(x)
    # TensorFlow has no such operator on a CPU: Keras has it compiled there, and what is compiled cannot go into ONNX.
    return layers.Conv2D(channels, 3, strides=stride, groups=groups, use_bias=False, name=name)(x)


def bottleneck(
    x: KerasTensor, channels: int, stride: int = 1, *, groups: int = 1, base_width: int = 64, name: str
) -> KerasTensor:
    """A 1x1, a 3x3 and a 1x1 convolution, added to what they read; the 3x3 one strides.

    It has `groups` groups; each is `base_width` wide where the stage is 64.
    """
    width = channels * base_width // 64 * groups
    out = convolution(x, width, 1, name=f"{name}_conv1")
    out = batch_norm(out, name=f"{name}_bn1")
    out = layers.ReLU(name=f"{name}_relu1")(out)
    out = grouped_convolution(out, width, groups, stride, name=f"{name}_conv2")
    out = batch_norm(out, name=f"{name}_bn2")
    out = layers.ReLU(name=f"{name}_relu2")(out)
    out = convolution(out, channels * 4, 1, name=f"{name}_conv3")
    out = batch_norm(out, name=f"{name}_bn3")
    # Where the shape changes, what was read must change with it.
    if stride != 1 or x.shape[-1] != out.shape[-1]:
        x = convolution(x, out.shape[-1], 1, stride, name=f"{name}_downsample_0")
        x = batch_norm(x, name=f"{name}_downsample_1")
    out = layers.Add(name=f"{name}_add")([out, x])
    return layers.ReLU(name=f"{name}_relu3")(out)


def resnet34(num_classes: int = 1000) -> keras.Model:
    """ResNet-34, of basic blocks (He et al. 2015, arXiv:1512.03385); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(resnet34(num_classes=10)(keras.ops.zeros((2, 64, 64, 3))).shape)
    (2, 10)
    """
    return resnet(basic_block, (3, 4, 6, 3), 3, num_classes, name="resnet34")


def resnet50(num_classes: int = 1000) -> keras.Model:
    """ResNet-50, of bottlenecks (He et al. 2015, arXiv:1512.03385); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(resnet50(num_classes=10)(keras.ops.zeros((2, 64, 64, 3))).shape)
    (2, 10)
    """
    return resnet(bottleneck, (3, 4, 6, 3), 3, num_classes, name="resnet50")


def resnet101(num_classes: int = 1000) -> keras.Model:
    """ResNet-101, of bottlenecks (He et al. 2015, arXiv:1512.03385); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(resnet101(num_classes=10).get_layer("fc").kernel.shape)
    (2048, 10)
    """
    return resnet(bottleneck, (3, 4, 23, 3), 3, num_classes, name="resnet101")


def resnet152(num_classes: int = 1000) -> keras.Model:
    """ResNet-152, of bottlenecks (He et al. 2015, arXiv:1512.03385); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(resnet152(num_classes=10).get_layer("fc").kernel.shape)
    (2048, 10)
    """
    return resnet(bottleneck, (3, 8, 36, 3), 3, num_classes, name="resnet152")


def resnext50_32x4d(num_classes: int = 1000) -> keras.Model:
    """ResNeXt-50, of 32 groups of 4 (Xie et al. 2016, arXiv:1611.05431); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(resnext50_32x4d(num_classes=10)(keras.ops.zeros((2, 64, 64, 3))).shape)
    (2, 10)
    """
    block = partial(bottleneck, groups=32, base_width=4)
    return resnet(block, (3, 4, 6, 3), 3, num_classes, name="resnext50_32x4d")


def wide_resnet50_2(num_classes: int = 1000) -> keras.Model:
    """Wide ResNet-50-2 (Zagoruyko and Komodakis 2016, arXiv:1605.07146); (N, H, W, 3) to (N, num_classes) logits.

    >>> tuple(wide_resnet50_2(num_classes=10)(keras.ops.zeros((2, 64, 64, 3))).shape)
    (2, 10)
    """
    return resnet(partial(bottleneck, base_width=128), (3, 4, 6, 3), 3, num_classes, name="wide_resnet50_2")
