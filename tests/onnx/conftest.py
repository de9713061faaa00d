"""Exports of a network with two branches, made once a session, and the models that they were made from."""

import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from planting import BRANCHES, COLUMNS

from xframe.files import reader
from xframe.mapping import load_table
from xframe.planning import make_plan
from xframe.proving.onnx.export import opened, start_export
from xframe.proving.onnx.parity import Native, hold
from xframe.proving.probe import random_input
from xframe.proving.proof import Runs, load_planned, load_source
from xframe.proving.sides import Side
from xframe.proving.weights import at_random

sys.path.append(str(Path(__file__).parents[1] / "faults"))


@pytest.fixture(scope="session")
def table():
    return load_table(str(BRANCHES))


@pytest.fixture(scope="session")
def natives(pool, table):
    """Each implementation with the same weights, after a run over the same probe."""
    probe, sides = random_input(table, 0), {}
    for name in COLUMNS:
        sides[name] = Side(pool, table, table.implementation(name), f"branches-{name}", "float32")
    first = sides["paddle"]
    held = at_random(first, 0, pool)
    load_source(first, held, pool, "float32")()
    specs = {name: tensor.spec for name, tensor in held.tensors.items()}
    for name in COLUMNS[1:]:
        plan = make_plan(table, "paddle", name, specs, reader(held), wanted=sides[name].specs, dtype="float32")
        load_planned(sides[name], plan, held, pool)()
    return {name: Native(side=side, probe=probe, outputs=Runs(side, probe).outputs) for name, side in sides.items()}


@pytest.fixture(scope="session")
def exports(pool, natives, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    started = {name: start_export(pool, native.side, native.probe, folder=folder) for name, native in natives.items()}
    return {name: ended() for name, ended in started.items()}


@pytest.fixture
def held(pool, natives, exports, tmp_path):
    """The parity of a column's export with a fault planted in it, and the node where it was."""

    def run(column, plant=None):
        path = tmp_path / "planted.onnx"
        shutil.copy(exports[column].graph.path, path)
        model = onnx.load(path)
        node = plant(model) if plant else None
        onnx.save(model, path)
        return hold(opened(pool, path, channels=1), natives[column]), node

    return run


@pytest.fixture
def images(tmp_path):
    """An input of one's own, in a file."""
    path = tmp_path / "images.npy"
    np.save(path, np.random.default_rng(1).standard_normal((3, 1, 8, 8)))
    return path
