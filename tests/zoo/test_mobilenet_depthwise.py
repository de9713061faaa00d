"""The kind of depthwise convolutions, with two outputs a channel: one layer alone, as each framework brings it."""

import json
from itertools import product

import numpy as np
import pytest

from xframe.layouts import Rearrangement
from xframe.mapping import load_table

FRAMEWORKS = ("paddle", "torch", "keras")
ROUND = (("paddle", "torch"), ("torch", "keras"), ("keras", "paddle"))  # each once as source and once as target
PAIRS = [*ROUND, *(pytest.param(target, source, marks=pytest.mark.slow) for source, target in ROUND)]


def in_keras(class_name, **config):
    return {"module": "keras.layers", "class_name": class_name, "config": config}


IMAGES = in_keras("InputLayer", batch_shape=[None, 8, 8, 3], name="images")
LAYERS = [IMAGES, in_keras("DepthwiseConv2D", kernel_size=3, depth_multiplier=2, name="depthwise")]
MODEL = {"module": "keras", "class_name": "Sequential", "config": {"name": "alone", "layers": LAYERS}}
TABLE = """\
summary = "a depthwise convolution"
input   = [3, 8, 8]

[implementations]
paddle = { build = "paddle.nn:Conv2D", with = { in_channels = 3, out_channels = 6, kernel_size = 3, groups = 3 } }
torch  = { build = "torch.nn:Conv2d", with = { in_channels = 3, out_channels = 6, kernel_size = 3, groups = 3 } }
keras  = { build = "keras.models:model_from_json", with = { json_string = 'CONFIG' } }

[[layers]]
kind   = "depthwise_conv2d"
sizes  = { multiplier = 2 }
paddle = "{tensor}"
torch  = "{tensor}"
keras  = "alone/depthwise"
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "depthwise.toml"
    path.write_text(TABLE.replace("CONFIG", json.dumps(MODEL)))
    return path


def test_the_outputs_of_a_channel_lie_side_by_side(table):
    weight = load_table(str(table)).entries[0]
    patterns = [weight.names[name].pattern for name in FRAMEWORKS]
    sizes = {"out": 3, **weight.layer.sizes}
    stored = np.arange(6 * 3 * 3).reshape(6, 1, 3, 3)
    assert np.array_equal(Rearrangement(patterns[0], patterns[1], sizes).apply(stored), stored)
    moved = Rearrangement(patterns[0], patterns[2], sizes).apply(stored)
    assert moved.shape == (3, 3, 3, 2)
    for channel, output in product(range(3), range(2)):
        assert np.array_equal(moved[:, :, channel, output], stored[2 * channel + output, 0])


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_ports(port, table, source, target):
    """Any other order fits as well and gives other outputs."""
    result = port(table, source, target)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 2)
    assert result.proof.float64.max_rel <= 1e-12
