"""The networks that the tests save, each in the frameworks that it is needed in."""


def torch_net():
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 3, padding=1)
            self.bn = nn.BatchNorm2d(4)
            self.act = nn.ReLU()

        def forward(self, x):
            return self.act(x + self.act(self.bn(self.conv(x))))

    Block.__module__ = __name__

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(1, 4, 3)
            self.blocks = nn.Sequential(Block(), Block())
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(self.blocks(self.stem(x)).mean((2, 3)))

    torch.manual_seed(0)
    return Net().eval()


def torch_recurrent():
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(6, 4, batch_first=True)
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(self.lstm(x)[0][:, -1])

    return Recurrent().eval()


def paddle_net():
    from paddle import nn

    class Block(nn.Layer):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2D(4, 4, 3, padding=1)
            self.bn = nn.BatchNorm2D(4)
            self.act = nn.ReLU()

        def forward(self, x):
            return self.act(x + self.act(self.bn(self.conv(x))))

    class Net(nn.Layer):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2D(1, 4, 3)
            self.blocks = nn.Sequential(Block(), Block())
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(self.blocks(self.stem(x)).mean([2, 3]))

    return Net()


def keras_net(epsilon=1e-3):
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(3, 3, name="conv")(x)
    x = layers.BatchNormalization(epsilon=epsilon, name="norm")(x)
    x = layers.LeakyReLU(negative_slope=0.25, name="act")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(5, name="fc")(x), name="small")
