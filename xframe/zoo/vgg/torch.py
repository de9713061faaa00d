"""VGG in PyTorch; (N, 3, H, W) to (N, classes)."""

from __future__ import annotations

import torch
from torch import nn

# Channels of the convolutions, and M where the map is halved.
FEATURES = {
    7: "64 M 128 M 256 256 M",
    9: "64 M 128 M 256 256 M 512 512 M",
    11: "64 M 128 M 256 256 M 512 512 M 512 512 M",
    13: "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    16: "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    19: "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}


def convolution(in_channels: int, channels: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size of the map."""
    return nn.Conv2d(in_channels, channels, 3, padding=1)


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation; a batch moves the running statistics by a tenth."""
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)


def adaptive(size: int) -> nn.AdaptiveAvgPool2d:
    """Average pool to size x size, from a map of any size."""
    # Of a length n, bin i holds floor(i n / size) up to ceil((i + 1) n / size): bins may overlap and differ in length.
    return nn.AdaptiveAvgPool2d(size)


def features(plan: str, *, normalised: bool) -> nn.Sequential:
    """Convolution, batch norm where `normalised`, and relu for every number of `plan`."""
    steps: list[nn.Module] = []
    before = 3
    for step in plan.split():
        if step == "M":
            steps.append(nn.MaxPool2d(2, stride=2))
            continue
        steps.append(convolution(before, int(step)))
        if normalised:
            steps.append(batch_norm(int(step)))
        steps.append(nn.ReLU())
        before = int(step)
    return nn.Sequential(*steps)


def classifier(in_features: int, num_classes: int, hidden1: int, hidden2: int) -> nn.Sequential:
    """Three linear layers behind dropouts."""
    return nn.Sequential(
        nn.Dropout(0.4),
        nn.Linear(in_features, hidden1),
        nn.ReLU6(),
        nn.Dropout(0.4),
        nn.Linear(hidden1, hidden2),
        nn.ReLU6(),
        nn.Dropout(0.4),
        nn.Linear(hidden2, num_classes),
    )


class VGG(nn.Module):
    """The convolutions of `plan`, average pool to 7x7, three linear layers."""

    def __init__(self, plan: str, num_classes: int, hidden1: int, hidden2: int, *, normalised: bool = False) -> None:
        super().__init__()
        self.features = features(plan, normalised=normalised)
        self.avgpool = adaptive(7)
        self.flatten = nn.Flatten()
        channels = int(plan.removesuffix("M").split()[-1])
        self.classifier = classifier(channels * 7 * 7, num_classes, hidden1, hidden2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        x = self.avgpool(x)
        x = self.flatten(x)
        return self.classifier(x)


def vgg7(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> VGG:
    """Four convolutions; (N, 3, H, W) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg7(num_classes=10, hidden1=8, hidden2=8)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return VGG(FEATURES[7], num_classes, hidden1, hidden2)


def vgg7_bn(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> VGG:
    """Four convolutions, each with batch norm; (N, 3, H, W) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg7_bn(num_classes=10, hidden1=8, hidden2=8)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return VGG(FEATURES[7], num_classes, hidden1, hidden2, normalised=True)


def vgg9(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> VGG:
    """Six convolutions; (N, 3, H, W) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg9(num_classes=10, hidden1=8, hidden2=8)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return VGG(FEATURES[9], num_classes, hidden1, hidden2)


def vgg9_bn(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> VGG:
    """Six convolutions, each with batch norm; (N, 3, H, W) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg9_bn(num_classes=10, hidden1=8, hidden2=8)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return VGG(FEATURES[9], num_classes, hidden1, hidden2, normalised=True)


def vgg11(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> VGG:
    """Eight convolutions; (N, 3, H, W) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg11(num_classes=10, hidden1=8, hidden2=8)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return VGG(FEATURES[11], num_classes, hidden1, hidden2)


def vgg11_bn(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> VGG:
    """Eight convolutions, each with batch norm; (N, 3, H, W) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg11_bn(num_classes=10, hidden1=8, hidden2=8)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return VGG(FEATURES[11], num_classes, hidden1, hidden2, normalised=True)


def vgg13(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> VGG:
    """Ten convolutions; (N, 3, H, W) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg13(num_classes=10, hidden1=8, hidden2=8)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return VGG(FEATURES[13], num_classes, hidden1, hidden2)


def vgg13_bn(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> VGG:
    """Ten convolutions, each with batch norm; (N, 3, H, W) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg13_bn(num_classes=10, hidden1=8, hidden2=8)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return VGG(FEATURES[13], num_classes, hidden1, hidden2, normalised=True)


def vgg16(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> VGG:
    """Thirteen convolutions; (N, 3, H, W) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg16(num_classes=10, hidden1=8, hidden2=8)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return VGG(FEATURES[16], num_classes, hidden1, hidden2)


def vgg16_bn(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> VGG:
    """Thirteen convolutions, each with batch norm; (N, 3, H, W) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg16_bn(num_classes=10, hidden1=8, hidden2=8)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return VGG(FEATURES[16], num_classes, hidden1, hidden2, normalised=True)


def vgg19(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> VGG:
    """Sixteen convolutions; (N, 3, H, W) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg19(num_classes=10, hidden1=8, hidden2=8)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return VGG(FEATURES[19], num_classes, hidden1, hidden2)


def vgg19_bn(num_classes: int = 1000, hidden1: int = 4096, hidden2: int = 2048) -> VGG:
    """Sixteen convolutions, each with batch norm; (N, 3, H, W) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg19_bn(num_classes=10, hidden1=8, hidden2=8)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return VGG(FEATURES[19], num_classes, hidden1, hidden2, normalised=True)


class VGG16Plain(nn.Module):
    """Thirteen convolutions, each with a name, and three linear layers on a 7x7 map."""

    def __init__(self, num_classes: int = 1, hidden: int = 4096) -> None:
        super().__init__()
        self.conv1_1 = convolution(3, 64)
        self.conv1_2 = convolution(64, 64)
        self.conv2_1 = convolution(64, 128)
        self.conv2_2 = convolution(128, 128)
        self.conv3_1 = convolution(128, 256)
        self.conv3_2 = convolution(256, 256)
        self.conv3_3 = convolution(256, 256)
        self.conv4_1 = convolution(256, 512)
        self.conv4_2 = convolution(512, 512)
        self.conv4_3 = convolution(512, 512)
        self.conv5_1 = convolution(512, 512)
        self.conv5_2 = convolution(512, 512)
        self.conv5_3 = convolution(512, 512)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2, stride=2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Sequential(nn.Linear(512 * 7 * 7, hidden), nn.ReLU())
        self.dropout1 = nn.Dropout(0.5)
        self.fc2 = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU())
        self.dropout2 = nn.Dropout(0.5)
        self.fc3 = nn.Linear(hidden, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.conv1_1(x))
        x = self.pool(self.relu(self.conv1_2(x)))
        x = self.relu(self.conv2_1(x))
        x = self.pool(self.relu(self.conv2_2(x)))
        x = self.relu(self.conv3_1(x))
        x = self.relu(self.conv3_2(x))
        x = self.pool(self.relu(self.conv3_3(x)))
        x = self.relu(self.conv4_1(x))
        x = self.relu(self.conv4_2(x))
        x = self.pool(self.relu(self.conv4_3(x)))
        x = self.relu(self.conv5_1(x))
        x = self.relu(self.conv5_2(x))
        x = self.pool(self.relu(self.conv5_3(x)))
        x = self.flatten(x)
        # The original applies relu within fc1 and fc2 and again behind them; the second one changes nothing.
        x = self.dropout1(self.relu(self.fc1(x)))
        x = self.dropout2(self.relu(self.fc2(x)))
        return self.fc3(x)


def vgg16_plain(num_classes: int = 1, hidden: int = 4096) -> VGG16Plain:
    """Thirteen convolutions; (N, 3, 224, 224) to (N, num_classes) logits (after arXiv:1409.1556).

    >>> tuple(vgg16_plain(hidden=8)(torch.zeros(1, 3, 224, 224)).shape)
    (1, 1)
    """
    return VGG16Plain(num_classes, hidden)
