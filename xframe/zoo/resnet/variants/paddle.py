"""Bottleneck networks in Paddle, each convolution held with its batch norm; (N, 3, H, W) to (N, classes)."""

from __future__ import annotations

import paddle
from paddle import nn


class ConvBN(nn.Layer):
    """A convolution without bias, padded alike on all sides, and its batch norm; then a relu if `relu`."""

    def __init__(
        self, in_channels: int, channels: int, kernel_size: int, stride: int = 1, *, relu: bool = True
    ) -> None:
        super().__init__()
        padding = kernel_size // 2
        self._conv = nn.Conv2D(in_channels, channels, kernel_size, stride=stride, padding=padding, bias_attr=False)
        self._batch_norm = nn.BatchNorm2D(channels, epsilon=1e-5, momentum=0.9)
        self._relu = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self._relu(self._batch_norm(self._conv(x)))


class Bottleneck(nn.Layer):
    """A 1x1, a 3x3 and a 1x1 convolution, added to what they read; the 3x3 one strides."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv0 = ConvBN(in_channels, channels, 1)
        self.conv1 = ConvBN(channels, channels, 3, stride)
        self.conv2 = ConvBN(channels, channels * 4, 1, relu=False)
        self.short = None
        # Where the shape changes, what was read must change with it.
        if stride != 1 or in_channels != channels * 4:
            self.short = ConvBN(in_channels, channels * 4, 1, stride, relu=False)
        self.relu = nn.ReLU()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        out = self.conv2(self.conv1(self.conv0(x)))
        identity = x if self.short is None else self.short(x)
        return self.relu(out + identity)


class ResNet(nn.Layer):
    """Stem, four stages of `depths` bottlenecks, global average pool, linear layer."""

    def __init__(self, depths: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        self.conv = ConvBN(3, 64, 7, stride=2)
        self.pool2d_max = nn.MaxPool2D(3, stride=2, padding=1)
        self._blocks: list[str] = []
        in_channels = 64
        for stage, (channels, depth) in enumerate(zip((64, 128, 256, 512), depths, strict=True)):
            for index in range(depth):
                # The first block of a stage strides; in the first stage the pool has done so.
                block = Bottleneck(in_channels, channels, stride=2 if stage and not index else 1)
                self._blocks.append(f"bb_{stage}_{index}")
                self.add_sublayer(self._blocks[-1], block)
                in_channels = channels * 4
        self.pool2d_avg = nn.AdaptiveAvgPool2D(1)
        self.out = nn.Linear(in_channels, num_classes)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.pool2d_max(self.conv(x))
        for name in self._blocks:
            x = getattr(self, name)(x)
        x = self.pool2d_avg(x).flatten(1)
        return self.out(x)


def resnet50(num_classes: int = 1) -> ResNet:
    """ResNet-50 (He et al. 2015, arXiv:1512.03385); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(resnet50()(paddle.zeros([2, 3, 64, 64])).shape)
    (2, 1)
    """
    return ResNet((3, 4, 6, 3), num_classes)


def resnet101(num_classes: int = 1) -> ResNet:
    """ResNet-101 (He et al. 2015, arXiv:1512.03385); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(resnet101().out.weight.shape)
    (2048, 1)
    """
    return ResNet((3, 4, 23, 3), num_classes)


def resnet152(num_classes: int = 1) -> ResNet:
    """ResNet-152 (He et al. 2015, arXiv:1512.03385); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(resnet152().out.weight.shape)
    (2048, 1)
    """
    return ResNet((3, 8, 36, 3), num_classes)
