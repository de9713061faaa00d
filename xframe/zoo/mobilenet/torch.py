"""Mobile networks in PyTorch; (N, 3, H, W) to (N, classes).

The names of version 2 are torchvision's. It has no version 1: the names of that one are Paddle's, without the leading
underscores.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "relu6": nn.ReLU6, "hard_swish": nn.Hardswish}
Norm = Callable[[int], nn.Module]


def convolution(in_channels: int, channels: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias, padded alike on all sides."""
    return nn.Conv2d(in_channels, channels, kernel_size, stride=stride, padding=kernel_size // 2, bias=False)


def depthwise(channels: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution of each channel by itself, without bias, padded alike on all sides."""
    padding = kernel_size // 2
    return nn.Conv2d(channels, channels, kernel_size, stride=stride, padding=padding, groups=channels, bias=False)


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation; a batch moves the running statistics by a tenth."""
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)


def unit(layer: nn.Conv2d, norm: Norm = batch_norm, activation: str = "") -> nn.Sequential:
    """A convolution, its norm and its activation."""
    activations = [ACTIVATIONS[activation]()] if activation else []
    return nn.Sequential(layer, norm(layer.out_channels), *activations)


class SeparableConvolution(nn.Module):
    """A 3x3 convolution in two steps: of each channel by itself, then across the channels."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise_conv = unit(depthwise(in_channels, 3, stride), activation="relu")
        self.pointwise_conv = unit(convolution(in_channels, channels, 1), activation="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pointwise_conv(self.depthwise_conv(x))


class MobileNetV1(nn.Module):
    """Stem, thirteen separable convolutions, global average pool, linear layer."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv1 = unit(convolution(3, 32, 3, stride=2), activation="relu")
        self.conv2_1 = SeparableConvolution(32, 64)
        self.conv2_2 = SeparableConvolution(64, 128, stride=2)
        self.conv3_1 = SeparableConvolution(128, 128)
        self.conv3_2 = SeparableConvolution(128, 256, stride=2)
        self.conv4_1 = SeparableConvolution(256, 256)
        self.conv4_2 = SeparableConvolution(256, 512, stride=2)
        self.conv5_1 = SeparableConvolution(512, 512)
        self.conv5_2 = SeparableConvolution(512, 512)
        self.conv5_3 = SeparableConvolution(512, 512)
        self.conv5_4 = SeparableConvolution(512, 512)
        self.conv5_5 = SeparableConvolution(512, 512)
        self.conv5_6 = SeparableConvolution(512, 1024, stride=2)
        self.conv6 = SeparableConvolution(1024, 1024)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(1024, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(x)
        x = self.conv2_2(self.conv2_1(x))
        x = self.conv3_2(self.conv3_1(x))
        x = self.conv4_2(self.conv4_1(x))
        x = self.conv5_3(self.conv5_2(self.conv5_1(x)))
        x = self.conv5_6(self.conv5_5(self.conv5_4(x)))
        x = self.conv6(x)
        x = self.avgpool(x).flatten(1)
        return self.fc(x)


def mobilenet_v1(num_classes: int = 1000) -> MobileNetV1:
    """MobileNet (Howard et al. 2017, arXiv:1704.04861); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(mobilenet_v1(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape)
    (2, 10)
    """
    return MobileNetV1(num_classes)


class InvertedResidual(nn.Module):
    """Wide inside and narrow outside: expand, convolve each channel by itself, project without activation."""

    def __init__(self, in_channels: int, channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = in_channels * expansion
        steps = [] if expansion == 1 else [unit(convolution(in_channels, wide, 1), activation="relu6")]
        steps.append(unit(depthwise(wide, 3, stride), activation="relu6"))
        self.conv = nn.Sequential(*steps, convolution(wide, channels, 1), batch_norm(channels))
        self.residual = stride == 1 and in_channels == channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """Stem, 17 inverted residuals, a 1x1 convolution, global average pool, linear layer."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        in_channels = 32
        features: list[nn.Module] = [unit(convolution(3, in_channels, 3, stride=2), activation="relu6")]
        for expansion, channels, depth, stride in STAGES:
            for index in range(depth):
                features.append(InvertedResidual(in_channels, channels, 1 if index else stride, expansion))
                in_channels = channels
        features.append(unit(convolution(in_channels, 1280, 1), activation="relu6"))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, num_classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.avgpool(self.features(x)).flatten(1)
        return self.classifier(x)


STAGES = (  # expansion, channels, depth, stride of the first block
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(num_classes: int = 1000) -> MobileNetV2:
    """MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(mobilenet_v2(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape)
    (2, 10)
    """
    return MobileNetV2(num_classes)
