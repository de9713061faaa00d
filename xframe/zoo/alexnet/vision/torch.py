"""AlexNet in PyTorch, under torchvision's names; (N, 3, H, W) to (N, classes)."""

from __future__ import annotations

import torch
from torch import nn


class DownscaledDropout(nn.Dropout):
    """Paddle's "downscale_in_infer": training drops and no more, inference multiplies by the share that was kept."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # A dropout divides by that share in training: multiplying undoes it there.
        return super().forward(x) * (1 - self.p)


def dropout(rate: float, downscale_in_infer: bool) -> nn.Dropout:
    """Paddle's dropout where `downscale_in_infer`, else that which does nothing in inference."""
    return DownscaledDropout(rate) if downscale_in_infer else nn.Dropout(rate)


class AlexNet(nn.Module):
    """Five convolutions, average pool to 6x6, three linear layers."""

    def __init__(self, num_classes: int, downscale_in_infer: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            dropout(0.5, downscale_in_infer),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            dropout(0.5, downscale_in_infer),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        x = self.avgpool(x)
        x = self.flatten(x)
        return self.classifier(x)


def alexnet(num_classes: int = 1000, downscale_in_infer: bool = False) -> AlexNet:
    """AlexNet (after Krizhevsky 2014, arXiv:1404.5997); (N, 3, H, W) to (N, num_classes) logits.

    The default is torchvision's. Paddle's network drops with `downscale_in_infer`, which halves values in inference.

    >>> tuple(alexnet(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape)
    (2, 10)
    """
    return AlexNet(num_classes, downscale_in_infer)
