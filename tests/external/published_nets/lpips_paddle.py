"""paddle-lpips, as it is: the distance of two pictures, and its linear layers alone.

paddle_lpips/trainer.py is a loop of training.
"""

from functools import partial

import paddle
from paddle import nn
from published_nets.published import absent

absent("paddle_lpips.trainer")

from paddle_lpips import lpips as published  # noqa: E402 - only behind the line above can it be imported


class Distance(published.LPIPS):
    """(N, 6, H, W), two pictures on top of each other, to (N, 1, 1, 1). The trunk is not trained."""

    def __init__(self, net, version="0.1"):
        super().__init__(net=net, version=version, pretrained=False, pnet_rand=True, verbose=False)

    def forward(self, x):
        return super().forward(x[:, :3], x[:, 3:])


class LinearLayers(nn.Layer):
    """What a file of weights holds: what lies behind the trunk, reading its differences side by side."""

    def __init__(self, channels):
        super().__init__()
        self.channels = channels
        for n, length in enumerate(channels):
            setattr(self, f"lin{n}", published.NetLinLayer(length, use_dropout=True))

    def forward(self, x):
        parts = paddle.split(x, self.channels, axis=1)
        return sum(published.spatial_average(getattr(self, f"lin{n}")(part)) for n, part in enumerate(parts))


alex = partial(LinearLayers, [64, 192, 384, 256, 256])  # what comes out of the trunks: LPIPS's own self.chns
vgg = partial(LinearLayers, [64, 128, 256, 512, 512])
squeeze = partial(LinearLayers, [64, 128, 256, 384, 384, 512, 512])
whole_alex, whole_vgg, whole_squeeze = (partial(Distance, net) for net in ("alex", "vgg", "squeeze"))
