"""MobileNetV3 in PyTorch, under torchvision's names; (N, 3, H, W) to (N, classes)."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from xframe.zoo.mobilenet.torch import Norm, convolution, depthwise, unit


def slow_batch_norm(channels: int, epsilon: float) -> nn.BatchNorm2d:
    """Batch normalisation; a batch moves the running statistics by a hundredth."""
    return nn.BatchNorm2d(channels, eps=epsilon, momentum=0.01)


class HardSigmoid(nn.Module):
    """A sigmoid of three straight pieces; torchvision's has a slope of a sixth."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * self.slope + 0.5).clamp(0, 1)


class SqueezeExcitation(nn.Module):
    """Each channel times a factor that the means of all channels give."""

    def __init__(self, channels: int, squeezed: int, slope: float) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.activation = nn.ReLU()
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.scale_activation = HardSigmoid(slope)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = self.activation(self.fc1(self.avgpool(x)))
        return self.scale_activation(self.fc2(scale)) * x


class Block(NamedTuple):
    """One inverted residual of version 3; `squeezed` is 0 where nothing is squeezed."""

    kernel_size: int
    wide: int
    channels: int
    squeezed: int
    activation: str
    stride: int


class SqueezedResidual(nn.Module):
    """An inverted residual that weighs its channels before it projects them."""

    def __init__(self, in_channels: int, block: Block, norm: Norm, slope: float) -> None:
        super().__init__()
        kernel_size, wide, channels, squeezed, activation, stride = block
        steps: list[nn.Module] = []
        if wide != in_channels:
            steps.append(unit(convolution(in_channels, wide, 1), norm, activation))
        steps.append(unit(depthwise(wide, kernel_size, stride), norm, activation))
        if squeezed:
            steps.append(SqueezeExcitation(wide, squeezed, slope))
        steps.append(unit(convolution(wide, channels, 1), norm))
        self.block = nn.Sequential(*steps)
        self.residual = stride == 1 and in_channels == channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.block(x) if self.residual else self.block(x)


class MobileNetV3(nn.Module):
    """Stem, `blocks`, a 1x1 convolution, global average pool, two linear layers."""

    def __init__(self, blocks: tuple[Block, ...], hidden: int, num_classes: int, epsilon: float, slope: float) -> None:
        super().__init__()
        norm = partial(slow_batch_norm, epsilon=epsilon)
        in_channels = 16
        features: list[nn.Module] = [unit(convolution(3, in_channels, 3, 2), norm, "hard_swish")]
        for block in blocks:
            features.append(SqueezedResidual(in_channels, block, norm, slope))
            in_channels = block.channels
        last = 6 * in_channels
        features.append(unit(convolution(in_channels, last, 1), norm, "hard_swish"))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        steps = [nn.Linear(last, hidden), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(hidden, num_classes)]
        self.classifier = nn.Sequential(*steps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.avgpool(self.features(x)).flatten(1)
        return self.classifier(x)


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


def mobilenet_v3_small(num_classes: int = 1000, epsilon: float = 1e-3, slope: float = 1 / 6) -> MobileNetV3:
    """MobileNetV3-Small (Howard et al. 2019, arXiv:1905.02244); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(mobilenet_v3_small(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape)
    (2, 10)
    """
    return MobileNetV3(SMALL, 1024, num_classes, epsilon, slope)


def mobilenet_v3_large(num_classes: int = 1000, epsilon: float = 1e-3, slope: float = 1 / 6) -> MobileNetV3:
    """MobileNetV3-Large (Howard et al. 2019, arXiv:1905.02244); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(mobilenet_v3_large(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape)
    (2, 10)
    """
    return MobileNetV3(LARGE, 1280, num_classes, epsilon, slope)
