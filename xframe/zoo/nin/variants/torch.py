"""Network in network in PyTorch as it was first ported: another pool at its end, another dropout."""

from __future__ import annotations

from torch import nn

from xframe.zoo.nin.torch import NiN


class NiNAvgPool8(NiN):
    """The same network with an 8x8 average pool and dropout of whole channels."""

    def __init__(self, in_channels: int, wide: int, middle: int, narrow: int) -> None:
        super().__init__(in_channels, wide, middle, narrow)
        # Which values a dropout takes away matters in training only.
        self.dropout3 = nn.Dropout2d(0.5)
        self.dropout6 = nn.Dropout2d(0.5)
        # At 32x32 images the map is 8x8 and this pool is the global one. Of larger maps it gives several means.
        self.pool9 = nn.AvgPool2d(8, stride=1)


def nin_avgpool8(in_channels: int = 3, wide: int = 192, middle: int = 160, narrow: int = 96) -> NiNAvgPool8:
    """The same network for 32x32 images alone; (N, C, 32, 32) to (N, 10) logits.

    >>> tuple(nin_avgpool8()(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return NiNAvgPool8(in_channels, wide, middle, narrow)
