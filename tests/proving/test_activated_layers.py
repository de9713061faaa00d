"""Keras's layers that do an activation themselves: what a row pairs is what they give before it."""

import pytest

from xframe.workflows.diff import diff

TORCH = """
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self, middle="leaky"):
        super().__init__()
        self.middle = middle
        self.conv, self.depthwise = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, groups=4)
        self.fc, self.head = nn.Linear(4, 6), nn.Linear(6, 5)

    def forward(self, x):
        x = F.relu(self.conv(x))
        x = self.depthwise(x)
        x = {"leaky": F.leaky_relu(x, 0.2), "relu": F.relu(x), "none": x}[self.middle]
        return self.head(F.gelu(self.fc(x.mean((2, 3)))))
"""
KERAS = """
import keras
from keras import layers

def net(softmax=False):
    x = image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    x = layers.DepthwiseConv2D(3, activation=layers.LeakyReLU(0.2), name="depthwise")(x)
    x = layers.Dense(6, activation="gelu", name="fc")(keras.ops.mean(x, axis=(1, 2)))
    return keras.Model(image, layers.Dense(5, activation="softmax" if softmax else None, name="head")(x))

class Late(layers.Dense):
    def call(self, x):
        return super().call(x) + 1.0

def late():
    x = image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    x = layers.DepthwiseConv2D(3, activation=layers.LeakyReLU(0.2), name="depthwise")(x)
    x = Late(6, activation="gelu", name="fc")(keras.ops.mean(x, axis=(1, 2)))
    return keras.Model(image, layers.Dense(5, name="head")(x))
"""
TABLE = """
summary = "activations within layers and behind them"
input = [3, 8, 8]
[implementations]
torch = { build = "./net_torch.py:Net" }
"torch/relu" = { build = "./net_torch.py:Net", with = { middle = "relu" } }
"torch/none" = { build = "./net_torch.py:Net", with = { middle = "none" } }
keras = { build = "./net_keras.py:net" }
"keras/softmax" = { build = "./net_keras.py:net", with = { softmax = true } }
"keras/late" = { build = "./net_keras.py:late" }
"""
LAYERS = (("conv2d", "conv"), ("depthwise_conv2d", "depthwise"), ("linear", "fc"), ("linear", "head"))
SIZES = {"depthwise": "sizes = { multiplier = 1 }"}


COLUMNS = ("torch", "torch/relu", "torch/none", "keras", "keras/softmax", "keras/late")


@pytest.fixture
def table(tmp_path):
    (tmp_path / "net_torch.py").write_text(TORCH)
    (tmp_path / "net_keras.py").write_text(KERAS)
    names = {name: "\n".join(f'"{column}" = "{name}"' for column in COLUMNS) for _, name in LAYERS}
    rows = [f'[[layers]]\nkind = "{kind}"\n{SIZES.get(name, "")}\n{names[name]}\n' for kind, name in LAYERS]
    (tmp_path / "net.toml").write_text(TABLE + "".join(rows))
    return str(tmp_path / "net.toml")


@pytest.mark.parametrize("ends", [("torch", "keras"), ("keras", "torch")])
def test_an_activation_within_a_layer_is_one_behind_it(table, pool, ends):
    found = diff(table, *ends, pool=pool)
    assert found.verdict == "equivalent"
    assert len(found.layers.calls) == len(LAYERS)
    assert all(call.free.max_rel < 1e-14 and call.own.max_rel < 1e-14 for call in found.layers.calls)


@pytest.mark.parametrize("middle", ["relu", "none"])
def test_another_activation_or_none_lies_between_two_layers(table, pool, middle):
    word, says = {"relu": ("activation", "relu, then"), "none": ("missing activation", "global")}[middle]
    for ends in ((f"torch/{middle}", "keras"), ("keras", f"torch/{middle}")):
        found = diff(table, *ends, pool=pool)
        assert found.verdict == "different"
        assert found.layers.first.source_name == "fc"
        (cause,) = found.first_divergence.causes
        assert (cause.cause, cause.confirmed) == (word, True)
        assert cause.detail.startswith("between depthwise and fc, ")
        assert f"torch/{middle} computes {says}" in cause.detail
        assert "keras computes leaky relu of slope 0.2, then global average pooling" in cause.detail


def test_a_softmax_within_the_last_layer(table, pool):
    found = diff(table, "torch", "keras/softmax", pool=pool)
    assert found.verdict == "different"
    assert all(found.layers.calls)
    assert [one.cause for one in found.first_divergence.causes] == ["probabilities against logits"]


def test_a_class_of_ones_own_is_taken_as_it_is(table, pool):
    """Where in it the activation is done nobody knows."""
    found = diff(table, "keras", "keras/late", pool=pool)
    assert found.verdict == "different"
    assert found.layers.first.source_name == "fc"
