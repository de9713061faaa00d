"""A real checkpoint on real input: LeNet-5 trained in Paddle reads handwritten digits alike everywhere."""

import json
from pathlib import Path

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.sides import Side

FIXTURES = Path(__file__).parents[2] / "fixtures"
TRAINED = FIXTURES / "lenet5_maxavg_digits.pdparams"
LEAST_ACCURACY = 0.97
PORTED = {"paddle/custom": ".pdparams", "torch": ".pth", "keras": ".weights.h5"}


@pytest.fixture
def predictions(pool):
    """What an implementation answers to the held-out digits, in float32, its file loaded by its own framework."""
    table, images = load_table("lenet5_maxavg"), np.load(FIXTURES / "digits.npz")["images"]

    def predict(implementation, weights):
        side = Side(pool, table, table.implementation(implementation), "digits", "float32")
        side.load_file(weights).result()
        (logits,) = side.run(images, "float32")().arrays
        side.release()
        assert logits.shape == (len(images), 10)
        return logits.argmax(1)

    return predict


def test_every_framework_reads_the_same_digits(port, predictions, tmp_path, record_property):
    labels, recorded = np.load(FIXTURES / "digits.npz")["labels"], json.loads((FIXTURES / "digits.json").read_text())
    answers = {"paddle": predictions("paddle", TRAINED)}
    for target, ending in PORTED.items():
        out = tmp_path / f"{target.replace('/', '-')}{ending}"
        result = port("lenet5_maxavg", "paddle", target, weights=TRAINED, out=out)
        assert (result.verdict, len(result.plan.moves)) == ("equivalent", 10)
        answers[target] = predictions(target, out)
    right = {name: int((given == labels).sum()) for name, given in answers.items()}
    record_property("summary", f"digits read rightly, of {len(labels)}: {right}")
    assert all(np.array_equal(given, answers["paddle"]) for given in answers.values())
    assert set(right.values()) == {recorded["right"]}
    assert len(labels) == recorded["digits"] == 360
    assert recorded["right"] >= LEAST_ACCURACY * len(labels)


def test_a_wrong_port_reads_other_digits(port, predictions, tmp_path):
    """The test above can fail: with the kernels of one layer transposed, the answers change."""
    tensors = dict(np.load(port("lenet5_maxavg", "paddle", "torch", weights=TRAINED).out))
    tensors["conv3.weight"] = tensors["conv3.weight"].swapaxes(2, 3)
    np.savez(tmp_path / "turned.npz", **tensors)
    turned = port("lenet5_maxavg", "torch", "torch", weights=tmp_path / "turned.npz", out=tmp_path / "turned.pth").out
    assert not np.array_equal(predictions("torch", turned), predictions("paddle", TRAINED))
