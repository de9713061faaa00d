"""A small network in Paddle, right unless an option says otherwise; (N, 1, 16, 16) to (N, 5)."""

from paddle import nn
from paddle.nn.functional import dropout, relu


class Unbiased(nn.BatchNorm2D):
    """Keeps a running variance of batches divided by N − 1, as torch does; paddle divides by N."""

    def forward(self, x):
        before = self._variance.clone()
        outputs = super().forward(x)
        if self.training:
            count = x.size / x.shape[1]
            change = self._variance - before * self._momentum
            self._variance.set_value(before * self._momentum + change * (count / (count - 1)))
        return outputs


class Small(nn.Layer):
    def __init__(
        self, epsilon, padding, pool, relus, bias, training, loader, ending, momentum, frozen, dropout, variance
    ):
        super().__init__()
        self.relus, self.training_mode, self.loader, self.ending = relus, training, loader, ending
        self.dropped = nn.Dropout(0.5) if dropout == "layer" else self.by_function if dropout == "function" else None
        self.padding = nn.Pad2D([0, 1, 0, 1] if padding == "same" else 1)
        self.conv1 = nn.Conv2D(1, 4, 3, stride=2, bias_attr=None if bias else False)
        normed = Unbiased if variance == "N - 1" else nn.BatchNorm2D
        self.bn1 = normed(4, epsilon=epsilon, momentum=1 - momentum)
        self.conv2 = nn.Conv2D(4, 4, 3, padding=1)
        self.bn2 = nn.BatchNorm2D(4)
        self.conv3 = nn.Conv2D(4, 4, 3, padding=1)
        self.pool = nn.AvgPool2D(2) if pool == "avg" else nn.MaxPool2D(2)
        self.dense1 = nn.Linear(64, 6)
        self.square = nn.Linear(6, 6)
        self.dense2 = nn.Linear(6, 5)
        for parameter in getattr(self, frozen).parameters() if frozen else ():
            parameter.stop_gradient = True

    def forward(self, x):
        if self.training_mode == "declared":
            self.train()
        x = self.conv1(self.padding(x))
        if self.training_mode in ("hidden", "forgotten"):
            self.bn1.training = self.training_mode == "hidden"
        x = self.bn1(x)
        if self.training_mode == "hidden":
            self.bn1.training = False
        for _ in range(self.relus):
            x = relu(x)
        x = relu(self.bn2(self.conv2(x)))
        x = self.pool(relu(self.conv3(x))).flatten(1)
        x = relu(self.dense1(x))
        x = self.dropped(x) if self.dropped is not None else x
        x = relu(self.square(x))
        return self.ended(self.dense2(x))

    def by_function(self, x):
        return dropout(x, 0.5, training=self.training)

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
    epsilon=1e-5, padding="both", pool="max", relus=1, bias=True, training="never", loader="faithful", ending="logits",
    momentum=0.1, frozen="", dropout="none", variance="own",
):  # fmt: skip
    return Small(
        epsilon, padding, pool, relus, bias, training, loader, ending, momentum, frozen, dropout, variance
    )  # fmt: skip
