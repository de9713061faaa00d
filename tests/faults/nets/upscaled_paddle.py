"""A small map that grows, in Paddle; (N, 3, 5, 4) to (N, 4, 11, 9)."""

from paddle import nn


def upscaled(groups=2):
    return nn.Sequential(nn.Conv2DTranspose(3, 4, 3, stride=2), nn.PReLU(4), nn.GroupNorm(groups, 4))
