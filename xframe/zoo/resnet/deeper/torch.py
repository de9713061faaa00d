"""Deeper and wider residual networks in PyTorch, under torchvision's names; (N, 3, H, W) to (N, classes)."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from xframe.zoo.resnet.torch import BasicBlock, ResNet, batch_norm, convolution


def grouped_convolution(channels: int, groups: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution without bias, padded alike on all sides; the groups of channels do not mix."""
    return nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=groups, bias=False)


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution, added to what they read; the 3x3 one strides.

    It has `groups` groups; each is `base_width` wide where the stage is 64.
    """

    expansion = 4

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, *, groups: int = 1, base_width: int = 64
    ) -> None:
        super().__init__()
        width = channels * base_width // 64 * groups
        self.conv1 = convolution(in_channels, width, 1)
        self.bn1 = batch_norm(width)
        self.conv2 = grouped_convolution(width, groups, stride)
        self.bn2 = batch_norm(width)
        self.conv3 = convolution(width, channels * self.expansion, 1)
        self.bn3 = batch_norm(channels * self.expansion)
        self.relu = nn.ReLU()
        self.downsample = None
        # Where the shape changes, what was read must change with it.
        if stride != 1 or in_channels != channels * self.expansion:
            projection = convolution(in_channels, channels * self.expansion, 1, stride)
            self.downsample = nn.Sequential(projection, batch_norm(channels * self.expansion))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        identity = x if self.downsample is None else self.downsample(x)
        return self.relu(out + identity)


def resnet34(num_classes: int = 1000) -> ResNet:
    """ResNet-34, of basic blocks (He et al. 2015, arXiv:1512.03385); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(resnet34(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape)
    (2, 10)
    """
    return ResNet(BasicBlock, (3, 4, 6, 3), 3, num_classes)


def resnet50(num_classes: int = 1000) -> ResNet:
    """ResNet-50, of bottlenecks (He et al. 2015, arXiv:1512.03385); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(resnet50(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape)
    (2, 10)
    """
    return ResNet(Bottleneck, (3, 4, 6, 3), 3, num_classes)


def resnet101(num_classes: int = 1000) -> ResNet:
    """ResNet-101, of bottlenecks (He et al. 2015, arXiv:1512.03385); (N, 3, H, W) to (N, num_classes) logits.

    >>> resnet101(num_classes=10).fc
    Linear(in_features=2048, out_features=10, bias=True)
    """
    return ResNet(Bottleneck, (3, 4, 23, 3), 3, num_classes)


def resnet152(num_classes: int = 1000) -> ResNet:
    """ResNet-152, of bottlenecks (He et al. 2015, arXiv:1512.03385); (N, 3, H, W) to (N, num_classes) logits.

    >>> resnet152(num_classes=10).fc
    Linear(in_features=2048, out_features=10, bias=True)
    """
    return ResNet(Bottleneck, (3, 8, 36, 3), 3, num_classes)


def resnext50_32x4d(num_classes: int = 1000) -> ResNet:
    """ResNeXt-50, of 32 groups of 4 (Xie et al. 2016, arXiv:1611.05431); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(resnext50_32x4d(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape)
    (2, 10)
    """
    return ResNet(partial(Bottleneck, groups=32, base_width=4), (3, 4, 6, 3), 3, num_classes)


def wide_resnet50_2(num_classes: int = 1000) -> ResNet:
    """Wide ResNet-50-2 (Zagoruyko and Komodakis 2016, arXiv:1605.07146); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(wide_resnet50_2(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape)
    (2, 10)
    """
    return ResNet(partial(Bottleneck, base_width=128), (3, 4, 6, 3), 3, num_classes)
