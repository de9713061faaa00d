"""Switches that let float32 be computed in less are part of the verdict: they are set by environment or by a model."""

import json
import os
from pathlib import Path

import pytest

from xframe.workers import Pool
from xframe.workflows.port import PortOptions
from xframe.workflows.port import port as carry_out

FACTORY = """
import torch
from nets.in_torch import small as right

def small(**options):
    model = right(**options)
    torch.set_float32_matmul_precision("medium")
    return model
"""


def ported(tmp_path, pool, table, source, target):
    return carry_out(str(table), source, target, PortOptions(out=tmp_path / "out.npz"), pool=pool)


@pytest.fixture
def own_pool(monkeypatch, tmp_path):
    """Workers of this test alone: what is switched here stays switched."""
    here = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1] / "faults")])
    monkeypatch.setenv("PYTHONPATH", here, prepend=os.pathsep)
    (tmp_path / "switching.py").write_text(FACTORY)

    def make(**environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return Pool()

    return make


def test_a_model_that_asks_for_less_is_noted(own_pool, tmp_path):
    with own_pool() as pool:
        result = ported(tmp_path, pool, "lenet5_maxavg", "torch", "paddle")
        assert result.precision["source"]["reduced"] == []
        assert not [note for note in result.notes if "less" in note]
        pool["torch"].call("build", handle="switch", factory="switching:small", options={}, dtype="float32")
        again = ported(tmp_path, pool, "lenet5_maxavg", "torch", "paddle")
    assert again.precision["source"]["reduced"] == ["float32_matmul_precision"]
    assert "the source may compute float32 in less: float32_matmul_precision is medium" in again.notes
    written = json.loads(again.certificate.read_text())
    assert written["precision"]["source"]["switches"]["float32_matmul_precision"] == "medium"
    assert written["precision"]["target"]["reduced"] == []


@pytest.mark.parametrize("framework", ["paddle", "torch", "keras"])
def test_variables_of_the_environment_are_recorded(own_pool, framework):
    with own_pool(NVIDIA_TF32_OVERRIDE="1") as pool:
        found = pool[framework].call("precision")
    assert found["switches"]["NVIDIA_TF32_OVERRIDE"] == "1"
    assert "NVIDIA_TF32_OVERRIDE" in found["reduced"]


@pytest.mark.parametrize("framework", ["paddle", "torch", "keras"])
def test_nothing_is_reduced_unless_asked(pool, framework):
    found = pool[framework].call("precision")
    assert found["switches"]
    assert found["reduced"] == []
