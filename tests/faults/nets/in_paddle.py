"""A small network in Paddle, right unless an option says otherwise; (N, 1, 16, 16) to (N, 5)."""

from paddle import nn
from paddle.nn.functional import relu


class Small(nn.Layer):
    def __init__(self, epsilon, padding, pool, relus, bias, training, loader, ending):
        super().__init__()
        self.relus, self.training_mode, self.loader, self.ending = relus, training, loader, ending
        self.padding = nn.Pad2D([0, 1, 0, 1] if padding == "same" else 1)
        self.conv1 = nn.Conv2D(1, 4, 3, stride=2, bias_attr=None if bias else False)
        self.bn1 = nn.BatchNorm2D(4, epsilon=epsilon)
        self.conv2 = nn.Conv2D(4, 4, 3, padding=1)
        self.bn2 = nn.BatchNorm2D(4)
        self.conv3 = nn.Conv2D(4, 4, 3, padding=1)
        self.pool = nn.AvgPool2D(2) if pool == "avg" else nn.MaxPool2D(2)
        self.dense1 = nn.Linear(64, 6)
        self.square = nn.Linear(6, 6)
        self.dense2 = nn.Linear(6, 5)

    def forward(self, x):
        if self.training_mode == "declared":
            self.train()
        x = self.conv1(self.padding(x))
        self.bn1.training = self.training_mode != "never"
        x = self.bn1(x)
        self.bn1.training = self.training_mode == "declared"
        for _ in range(self.relus):
            x = relu(x)
        x = relu(self.bn2(self.conv2(x)))
        x = self.pool(relu(self.conv3(x))).flatten(1)
        x = relu(self.square(relu(self.dense1(x))))
        return self.ended(self.dense2(x))

    def ended(self, x):
        endings = {"column": lambda: x.unsqueeze(2), "pair": lambda: (x, x), "above": lambda: x + 1}
        return endings.get(self.ending, lambda: x.flip([1]) if self.ending == "reversed" else x)()

    def set_state_dict(self, state_dict, use_structured_name=True):
        if self.loader == "skipping":
            state_dict = {name: tensor for name, tensor in state_dict.items() if name != "bn2.weight"}
        found = super().set_state_dict(state_dict, use_structured_name)
        if self.loader == "changing":
            self.bn2.weight.set_value(self.bn2.weight * 2)
        return found if self.loader == "faithful" else ([], [])


def small(
    epsilon=1e-5, padding="both", pool="max", relus=1, bias=True, training="never", loader="faithful", ending="logits"
):
    return Small(epsilon, padding, pool, relus, bias, training, loader, ending)
