"""LeNet-5 in Paddle; (N, 1, 32, 32) to (N, 10)."""

from __future__ import annotations

import paddle
from paddle import nn

from xframe.zoo.operators.paddle import Conv2D, Pool2D


class LeNet5MaxAvg(nn.Layer):
    """LeNet-5 with relu, a max and an average pool; layers are numbered as in the original paper."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2D(1, 6, 5)
        self.relu1 = nn.ReLU()
        self.pool2 = nn.MaxPool2D(2, stride=2)
        self.conv3 = nn.Conv2D(6, 16, 5)
        self.relu3 = nn.ReLU()
        self.pool4 = nn.AvgPool2D(2, stride=2)
        self.conv5 = nn.Conv2D(16, 120, 5)
        self.relu5 = nn.ReLU()
        self.flatten = nn.Flatten()
        self.linear6 = nn.Linear(120, 84)
        self.relu6 = nn.ReLU()
        self.linear7 = nn.Linear(84, 10)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.pool2(self.relu1(self.conv1(x)))
        x = self.pool4(self.relu3(self.conv3(x)))
        x = self.flatten(self.relu5(self.conv5(x)))
        x = self.relu6(self.linear6(x))
        return self.linear7(x)


class LeNet5MaxAvgCustom(LeNet5MaxAvg):
    """The same network, its convolutions and pools replaced by our own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = Conv2D(1, 6, 5)
        self.pool2 = Pool2D(2, stride=2, mode="max")
        self.conv3 = Conv2D(6, 16, 5)
        self.pool4 = Pool2D(2, stride=2, mode="avg")
        self.conv5 = Conv2D(16, 120, 5)


def lenet5_maxavg() -> LeNet5MaxAvg:
    """LeNet-5 with relu, a max and an average pool; returns logits.

    >>> tuple(lenet5_maxavg()(paddle.zeros([2, 1, 32, 32])).shape)
    (2, 10)
    """
    return LeNet5MaxAvg()


def lenet5_maxavg_custom() -> LeNet5MaxAvgCustom:
    """The same network on operators of our own; returns logits.

    >>> tuple(lenet5_maxavg_custom()(paddle.zeros([2, 1, 32, 32])).shape)
    (2, 10)
    """
    return LeNet5MaxAvgCustom()


class LeNet5(nn.Layer):
    """LeNet-5 with relu and average pools; those in PyTorch and Keras end in a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2D(1, 6, 5)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.AvgPool2D(2, stride=2)
        self.conv2 = nn.Conv2D(6, 16, 5)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.AvgPool2D(2, stride=2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(400, 120)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(120, 84)
        self.relu4 = nn.ReLU()
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        x = self.flatten(x)
        x = self.relu3(self.fc1(x))
        x = self.relu4(self.fc2(x))
        return self.fc3(x)


def lenet5() -> LeNet5:
    """LeNet-5 with relu and average pools; returns logits. Source: doi:10.1109/5.726791.

    >>> tuple(lenet5()(paddle.zeros([2, 1, 32, 32])).shape)
    (2, 10)
    """
    return LeNet5()


class Reshape(nn.Layer):
    """Images of any shape with 1,024 pixels, as 1x32x32."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x.reshape([-1, 1, 32, 32])


def lenet5_sigmoid() -> nn.Sequential:
    """LeNet-5 with sigmoids and average pools; returns logits. Source: doi:10.1109/5.726791.

    >>> tuple(lenet5_sigmoid()(paddle.zeros([2, 1, 32, 32])).shape)
    (2, 10)
    """
    return nn.Sequential(
        Reshape(),
        nn.Conv2D(1, 6, 5),
        nn.Sigmoid(),
        nn.AvgPool2D(2, stride=2),
        nn.Conv2D(6, 16, 5),
        nn.Sigmoid(),
        nn.AvgPool2D(2, stride=2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.Sigmoid(),
        nn.Linear(120, 84),
        nn.Sigmoid(),
        nn.Linear(84, 10),
    )


class Subsampling(nn.Layer):
    """Means of 2x2 pixels, times a learned weight per channel, plus a learned bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2D(2, stride=2)
        one, zero = nn.initializer.Constant(1.0), nn.initializer.Constant(0.0)
        self.weight = self.create_parameter([channels], default_initializer=one)
        self.bias = self.create_parameter([channels], default_initializer=zero)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.pool(x) * self.weight[:, None, None] + self.bias[:, None, None]


class LeNet5Subsampling(nn.Layer):
    """LeNet-5 with tanh and learned subsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.con_sam = nn.Sequential(
            nn.Conv2D(1, 6, 5),
            nn.Tanh(),
            Subsampling(6),
            nn.Tanh(),
            nn.Conv2D(6, 16, 5),
            nn.Tanh(),
            Subsampling(16),
            nn.Tanh(),
            nn.Conv2D(16, 120, 5),
            nn.Tanh(),
        )
        self.flatten = nn.Flatten()
        self.fc = nn.Sequential(
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Linear(84, 10),
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.fc(self.flatten(self.con_sam(x)))


def lenet5_subsampling() -> LeNet5Subsampling:
    """LeNet-5 with tanh and learned subsampling; returns logits. Source: doi:10.1109/5.726791.

    >>> tuple(lenet5_subsampling()(paddle.zeros([2, 1, 32, 32])).shape)
    (2, 10)
    """
    return LeNet5Subsampling()
