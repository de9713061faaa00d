"""Inception v3 in PyTorch, under torchvision's names, without auxiliary head; (N, 3, H, W) to (N, classes)."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from xframe.zoo.squeezenet.torch import DownscaledDropout


class BasicConv2d(nn.Module):
    """A convolution without bias, batch norm, relu. `padded`, it keeps the size of the map."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel_size: int | tuple[int, int],
        stride: int = 1,
        padded: bool = True,
        *,
        epsilon: float,
    ) -> None:
        super().__init__()
        height, width = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        padding = (height // 2, width // 2) if padded else 0
        self.conv = nn.Conv2d(in_channels, channels, (height, width), stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=epsilon, momentum=0.1)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.bn(self.conv(x)))


def max_pool() -> nn.MaxPool2d:
    """The largest of 3x3 values; a window that reaches over the edge does not count."""
    return nn.MaxPool2d(3, stride=2)


def average_pool() -> nn.AvgPool2d:
    """Means of 3x3 values; keeps the size of the map."""
    # The zeros of the padding count: at an edge, too, the sum is divided by nine.
    return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=True)


class InceptionA(nn.Module):
    """One 1x1 convolution, one 5x5, two 3x3 in a row, a pool: side by side."""

    def __init__(self, in_channels: int, pool_channels: int, epsilon: float) -> None:
        super().__init__()
        conv = partial(BasicConv2d, epsilon=epsilon)
        self.branch1x1 = conv(in_channels, 64, 1)
        self.branch5x5_1 = conv(in_channels, 48, 1)
        self.branch5x5_2 = conv(48, 64, 5)
        self.branch3x3dbl_1 = conv(in_channels, 64, 1)
        self.branch3x3dbl_2 = conv(64, 96, 3)
        self.branch3x3dbl_3 = conv(96, 96, 3)
        self.pool = average_pool()
        self.branch_pool = conv(in_channels, pool_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p1 = self.branch1x1(x)
        p2 = self.branch5x5_2(self.branch5x5_1(x))
        p3 = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        p4 = self.branch_pool(self.pool(x))
        return torch.cat([p1, p2, p3, p4], dim=1)


class InceptionB(nn.Module):
    """One 3x3 convolution, two 3x3 in a row, a pool: side by side, and all stride."""

    def __init__(self, in_channels: int, epsilon: float) -> None:
        super().__init__()
        conv = partial(BasicConv2d, epsilon=epsilon)
        self.branch3x3 = conv(in_channels, 384, 3, stride=2, padded=False)
        self.branch3x3dbl_1 = conv(in_channels, 64, 1)
        self.branch3x3dbl_2 = conv(64, 96, 3)
        self.branch3x3dbl_3 = conv(96, 96, 3, stride=2, padded=False)
        self.pool = max_pool()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p1 = self.branch3x3(x)
        p2 = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        p3 = self.pool(x)
        return torch.cat([p1, p2, p3], dim=1)


class InceptionC(nn.Module):
    """One 1x1 convolution, one 7x7, two 7x7 in a row, a pool: side by side. Each 7x7 is a 1x7 and a 7x1."""

    def __init__(self, in_channels: int, channels: int, epsilon: float) -> None:
        super().__init__()
        conv = partial(BasicConv2d, epsilon=epsilon)
        self.branch1x1 = conv(in_channels, 192, 1)
        self.branch7x7_1 = conv(in_channels, channels, 1)
        self.branch7x7_2 = conv(channels, channels, (1, 7))
        self.branch7x7_3 = conv(channels, 192, (7, 1))
        self.branch7x7dbl_1 = conv(in_channels, channels, 1)
        self.branch7x7dbl_2 = conv(channels, channels, (7, 1))
        self.branch7x7dbl_3 = conv(channels, channels, (1, 7))
        self.branch7x7dbl_4 = conv(channels, channels, (7, 1))
        self.branch7x7dbl_5 = conv(channels, 192, (1, 7))
        self.pool = average_pool()
        self.branch_pool = conv(in_channels, 192, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p1 = self.branch1x1(x)
        p2 = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        p3 = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        p3 = self.branch7x7dbl_5(self.branch7x7dbl_4(p3))
        p4 = self.branch_pool(self.pool(x))
        return torch.cat([p1, p2, p3, p4], dim=1)


class InceptionD(nn.Module):
    """One 3x3 convolution, a 7x7 and a 3x3 in a row, a pool: side by side, and all stride."""

    def __init__(self, in_channels: int, epsilon: float) -> None:
        super().__init__()
        conv = partial(BasicConv2d, epsilon=epsilon)
        self.branch3x3_1 = conv(in_channels, 192, 1)
        self.branch3x3_2 = conv(192, 320, 3, stride=2, padded=False)
        self.branch7x7x3_1 = conv(in_channels, 192, 1)
        self.branch7x7x3_2 = conv(192, 192, (1, 7))
        self.branch7x7x3_3 = conv(192, 192, (7, 1))
        self.branch7x7x3_4 = conv(192, 192, 3, stride=2, padded=False)
        self.pool = max_pool()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p1 = self.branch3x3_2(self.branch3x3_1(x))
        p2 = self.branch7x7x3_2(self.branch7x7x3_1(x))
        p2 = self.branch7x7x3_4(self.branch7x7x3_3(p2))
        p3 = self.pool(x)
        return torch.cat([p1, p2, p3], dim=1)


class InceptionE(nn.Module):
    """One 1x1 convolution, one 3x3, two 3x3 in a row, a pool: side by side. The last 3x3 is a 1x3 beside a 3x1."""

    def __init__(self, in_channels: int, epsilon: float) -> None:
        super().__init__()
        conv = partial(BasicConv2d, epsilon=epsilon)
        self.branch1x1 = conv(in_channels, 320, 1)
        self.branch3x3_1 = conv(in_channels, 384, 1)
        self.branch3x3_2a = conv(384, 384, (1, 3))
        self.branch3x3_2b = conv(384, 384, (3, 1))
        self.branch3x3dbl_1 = conv(in_channels, 448, 1)
        self.branch3x3dbl_2 = conv(448, 384, 3)
        self.branch3x3dbl_3a = conv(384, 384, (1, 3))
        self.branch3x3dbl_3b = conv(384, 384, (3, 1))
        self.pool = average_pool()
        self.branch_pool = conv(in_channels, 192, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p1 = self.branch1x1(x)
        p2 = self.branch3x3_1(x)
        p2 = torch.cat([self.branch3x3_2a(p2), self.branch3x3_2b(p2)], dim=1)
        p3 = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        p3 = torch.cat([self.branch3x3dbl_3a(p3), self.branch3x3dbl_3b(p3)], dim=1)
        p4 = self.branch_pool(self.pool(x))
        return torch.cat([p1, p2, p3, p4], dim=1)


class InceptionV3(nn.Module):
    """Five convolutions, eleven inceptions, global average pool, linear layer."""

    def __init__(self, num_classes: int, epsilon: float, dropout: float, downscale_in_infer: bool) -> None:
        super().__init__()
        conv = partial(BasicConv2d, epsilon=epsilon)
        self.Conv2d_1a_3x3 = conv(3, 32, 3, stride=2, padded=False)
        self.Conv2d_2a_3x3 = conv(32, 32, 3, padded=False)
        self.Conv2d_2b_3x3 = conv(32, 64, 3)
        self.maxpool1 = max_pool()
        self.Conv2d_3b_1x1 = conv(64, 80, 1)
        self.Conv2d_4a_3x3 = conv(80, 192, 3, padded=False)
        self.maxpool2 = max_pool()
        self.Mixed_5b = InceptionA(192, 32, epsilon)
        self.Mixed_5c = InceptionA(256, 64, epsilon)
        self.Mixed_5d = InceptionA(288, 64, epsilon)
        self.Mixed_6a = InceptionB(288, epsilon)
        self.Mixed_6b = InceptionC(768, 128, epsilon)
        self.Mixed_6c = InceptionC(768, 160, epsilon)
        self.Mixed_6d = InceptionC(768, 160, epsilon)
        self.Mixed_6e = InceptionC(768, 192, epsilon)
        self.Mixed_7a = InceptionD(768, epsilon)
        self.Mixed_7b = InceptionE(1280, epsilon)
        self.Mixed_7c = InceptionE(2048, epsilon)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = DownscaledDropout(dropout) if downscale_in_infer else nn.Dropout(dropout)
        self.fc = nn.Linear(2048, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.maxpool1(x)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = self.maxpool2(x)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6a(x)
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        x = self.Mixed_7a(x)
        x = self.Mixed_7c(self.Mixed_7b(x))
        x = self.avgpool(x).flatten(1)
        return self.fc(self.dropout(x))


def inception_v3(
    num_classes: int = 1000, epsilon: float = 1e-3, dropout: float = 0.5, downscale_in_infer: bool = False
) -> InceptionV3:
    """Inception v3 (Szegedy et al. 2015, arXiv:1512.00567); (N, 3, H, W) to (N, num_classes) logits.

    The defaults are torchvision's, with `aux_logits` and `transform_input` off. Paddle's network has an `epsilon` of
    1e-5 and a `dropout` of 0.2 that is `downscale_in_infer`.

    >>> tuple(inception_v3(num_classes=10).eval()(torch.zeros(2, 3, 75, 75)).shape)
    (2, 10)
    """
    return InceptionV3(num_classes, epsilon, dropout, downscale_in_infer)
