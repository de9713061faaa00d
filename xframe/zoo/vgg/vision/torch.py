"""VGG in PyTorch, under torchvision's names; (N, 3, H, W) to (N, classes)."""

from __future__ import annotations

import torch
from torch import nn

from xframe.zoo.vgg.torch import FEATURES, adaptive, features


def classifier(num_classes: int) -> nn.Sequential:
    """Three linear layers with dropouts between."""
    return nn.Sequential(
        nn.Linear(512 * 7 * 7, 4096),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4096, num_classes),
    )


class VGG(nn.Module):
    """The convolutions of `plan`, average pool to 7x7, three linear layers."""

    def __init__(self, plan: str, num_classes: int) -> None:
        super().__init__()
        self.features = features(plan, normalised=False)
        self.avgpool = adaptive(7)
        self.flatten = nn.Flatten()
        self.classifier = classifier(num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        x = self.avgpool(x)
        x = self.flatten(x)
        return self.classifier(x)


def vgg16(num_classes: int = 1000) -> VGG:
    """VGG-16 (Simonyan and Zisserman 2014, arXiv:1409.1556); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(vgg16(num_classes=10)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return VGG(FEATURES[16], num_classes)


def vgg19(num_classes: int = 1000) -> VGG:
    """VGG-19 (Simonyan and Zisserman 2014, arXiv:1409.1556); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(vgg19(num_classes=10)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return VGG(FEATURES[19], num_classes)
