"""A small network with two branches in Paddle; (N, 1, 8, 8) to (N, 5)."""

import paddle
from paddle import nn


class Branches(nn.Layer):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2D(1, 4, 3, padding=1, bias_attr=False)
        self.norm1 = nn.BatchNorm2D(4)
        self.conv2 = nn.Conv2D(4, 4, 3, padding=1)
        self.conv3 = nn.Conv2D(4, 4, 1)
        self.pool = nn.MaxPool2D(3, 2, padding=1)
        self.square = nn.Linear(128, 128)
        self.head = nn.Linear(128, 5)

    def forward(self, x):
        x = nn.functional.relu(self.norm1(self.conv1(x)))
        x = nn.functional.relu(paddle.concat([self.conv2(x), self.conv3(x)], 1))
        x = paddle.flatten(self.pool(x), 1)
        return self.head(nn.functional.relu(self.square(x)))
