"""The small network for MNIST: what it holds, what it returns, and every pair ported."""

import os
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.probe import random_input
from xframe.proving.sides import Side

ROOT = Path(__file__).parents[2]
LAYERS = {
    "paddle": ("conv1", "conv2", "conv3", "fc1", "fc2"),
    "torch": ("conv1", "conv2", "conv3", "fc1", "fc2"),
    "keras": ("conv2d", "conv2d_1", "conv2d_2", "dense", "dense_1"),
}
PER_LAYER = [320, 18_496, 36_928, 36_928, 650]
IN_CI = {("paddle", "torch"), ("keras", "torch")}


def in_keras(code, *arguments):
    """The last line that ``code`` prints, with Keras in a process of its own."""
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(ROOT)}
    run = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def build(pool):
    table = load_table("mnist_cnn")
    return lambda column: Side(pool, table, table.implementation(column), "mnist_cnn facts", "float32")


@pytest.mark.parametrize("implementation", LAYERS)
def test_counts_and_names(build, implementation):
    specs = build(implementation).specs
    counts = dict.fromkeys(LAYERS[implementation], 0)
    for name, spec in specs.items():
        counts[name.replace("/", ".").rsplit(".", 1)[0]] += spec.numel
    assert [*counts.values()] == PER_LAYER
    assert (sum(PER_LAYER), len(specs)) == (93_322, 10)


@pytest.mark.parametrize("implementation", LAYERS)
def test_keras_alone_returns_probabilities(build, implementation):
    side = build(implementation)
    (outputs,) = side.run(random_input(side.table, 0), "float64")().arrays
    assert (outputs.shape, outputs.dtype) == ((2, 10), np.float64)
    are_probabilities = (outputs > 0).all() and np.abs(outputs.sum(axis=1) - 1).max() < 1e-12
    assert are_probabilities == (side.implementation.output == "probabilities") == (implementation == "keras")


@pytest.mark.parametrize(
    ("source", "target"),
    [pytest.param(*pair, marks=() if pair in IN_CI else (pytest.mark.slow,)) for pair in permutations(LAYERS, 2)],
)
def test_ported(port, source, target):
    result = port("mnist_cnn", source, target)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 10)
    assert result.proof.float64.max_rel <= 1e-12
    assert len(result.notes) == ("keras" in (source, target))


SAVED = """
import sys, numpy, keras
from xframe.zoo.mnist_cnn.keras import mnist_cnn
model = mnist_cnn()
numbers = numpy.random.default_rng(0)
model.set_weights([numbers.normal(0, 0.1, held.shape) for held in model.get_weights()])
model.save(sys.argv[1])
"""


@pytest.mark.slow
def test_one_legacy_h5_file_is_read(port, tmp_path):
    in_keras(SAVED, tmp_path / "course.h5")
    result = port("mnist_cnn", "keras", "torch", weights=tmp_path / "course.h5")
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 10)


@pytest.mark.slow
@pytest.mark.parametrize("framework", LAYERS)
def test_examples_run(framework):
    code = f"import doctest; from xframe.zoo.mnist_cnn import {framework} as m; print(*doctest.testmod(m))"
    assert in_keras(code).splitlines()[-1] == "0 1"
