"""A slice of the judge's run, and the judge itself: it must report what a blind comparison lets pass."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

import judge.bench
from judge.__main__ import SMALL as MODELS
from judge.__main__ import mutants, shares
from judge.bench import KINDS, Bench
from judge.mutant import NETWORKS, WEIGHTS, Judged, Mutant, Place
from judge.page import COLUMNS, page
from xframe.comparison import Tolerance
from xframe.workflows.diff import DiffOptions, diff

LENET = Place(model="lenet5_maxavg", source="paddle", target="torch")
LENET_IN_KERAS = Place(model="lenet5_maxavg", source="torch", target="keras")
RESNET = Place(model="resnet18", source="torch", target="paddle")
SMALL = {"num_classes": 10, "size": 32}
NETWORK_KINDS = ("epsilon, by a thousandth", "relu left out", "padding shifted", "relu left out")
PAGE = Path(__file__).parents[2] / "docs/judge.md"


@pytest.fixture
def bench(pool, tmp_path):
    bench = Bench(pool, LENET, {}, tmp_path, seed=0)
    yield bench
    bench.release()


def assert_caught_and_located(judged):
    assert [str(found.mutant) for found in judged if not (found.computed and found.located)] == []
    assert [str(found.mutant) for found in judged if found.misled or found.crash or found.passed_silently] == []


@pytest.mark.parametrize("place", [LENET, LENET_IN_KERAS], ids=str)
def test_mutants_of_weights_are_caught_and_located(pool, place):
    judged = list(mutants(pool, place, {}, 4, seed=2))
    assert len(judged) == 4
    assert_caught_and_located(judged)


def test_mutants_of_networks_are_caught_and_located(pool, tmp_path):
    bench = Bench(pool, RESNET, SMALL, tmp_path, seed=0)
    judged = [bench.judge(kind, number) for number, kind in enumerate(NETWORK_KINDS)]
    bench.release()
    assert_caught_and_located(judged)
    assert all(found.mutant.kind in NETWORKS for found in judged)


def test_blind_comparison_has_survivors(bench, monkeypatch):
    monkeypatch.setattr(judge.bench, "DiffOptions", partial(DiffOptions, tolerance=Tolerance(rtol=1e3)))
    relu = bench.judge("relu left out", 1)
    assert (relu.verdict, relu.equivalent, relu.passed_silently) == ("equivalent", "", True)
    swapped = bench.judge("channels permuted", 2)
    assert (swapped.computed, swapped.files, swapped.located) == (False, True, False)
    told = page([relu, swapped], 0, 1.0)
    assert f"- {relu.mutant}. Below the tolerance" in told
    assert "| **all** | 2 | 1 | 0 | 0 | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 1 | 0 |" in told


def test_wrong_location_is_reported(bench, monkeypatch):
    monkeypatch.setattr(bench, "_expected", lambda *_: "linear7")
    found = bench.judge("two axes exchanged", 1)
    assert (found.computed, found.located) == (True, False)
    assert "expected at linear7" in page([found], 0, 1.0)


def test_equivalent_mutants_are_shown_to_be(bench):
    """Maps of 28 × 28 and 10 × 10 have no last window that is cut off: rounding up changes nothing."""
    judged = [bench.judge("other pool", number) for number in range(4)]
    assert bench.judge("other pool", 5) is None
    for found in judged:
        assert found.caught != ("ceil_mode" in found.mutant.says)
        assert bool(found.equivalent) == ("ceil_mode" in found.mutant.says)


def test_crashes_are_findings(bench, monkeypatch):
    monkeypatch.setattr(bench, "_trial", lambda *_: 1 // 0)
    found = bench.judge("scaled by 1 + 1e-6", 1)
    assert found.crash.startswith("ZeroDivisionError")
    assert not found.caught
    assert "ZeroDivisionError" in page([found], 0, 1.0)


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weight_mutants_differ_in_what_they_say(bench, kind):
    held = bench._held
    found = judge.weights.spoilt(kind, held, np.random.default_rng(5), set())
    if kind == "two tensors swapped":  # no two tensors of this network have one shape
        assert found is None
        return
    changed = {name for name, array in found.tensors.items() if not np.array_equal(array, held.tensors[name])}
    assert changed == set(found.tensors)
    assert all(array.shape == held.tensors[name].shape for name, array in found.tensors.items())
    assert all(array.dtype == held.tensors[name].dtype for name, array in found.tensors.items())


def test_a_right_cause_is_of_the_mutants_kind():
    mutant = Mutant(number=1, place=LENET, kind="padding shifted", says="")
    told = partial(Judged, mutant=mutant, verdict="different", expected="conv1", found="conv1", by_layers=True)
    assert told(causes=(("padding", True),)).confirmed
    assert not told(causes=(("padding", False),)).confirmed
    assert told(causes=(("epsilon", True), ("padding", False))).misled
    assert told(causes=(("epsilon and padding", True),)).misled
    elsewhere = told(causes=(("padding", True),), found="conv2")
    assert elsewhere.misled
    assert not elsewhere.confirmed


def test_shares_add_up():
    assert shares(300, 18) == [17] * 12 + [16] * 6


def test_right_port_of_a_batch_norm_that_activates(pool):
    """Paddle's densenet has the relu within its batch norms, torch's behind them."""
    result = diff("densenet121", "paddle", "torch", DiffOptions(set={"num_classes": 10, "size": 32}), pool=pool)
    assert result
    assert not result.layers.own


def test_epsilon_of_a_batch_norm_that_activates(pool, tmp_path):
    """``paddle.nn.BatchNorm`` is no ``_BatchNormBase``: its epsilon has to be known all the same."""
    place = Place(model="densenet121", source="paddle", target="torch")
    bench = Bench(pool, place, SMALL, tmp_path, seed=0)
    found = bench.judge("epsilon, by a thousandth", 1)
    bench.release()
    assert found.located
    assert found.causes == (("epsilon", True),)


def test_page_is_of_all_kinds_and_networks():
    told = PAGE.read_text(encoding="utf-8")
    assert set(KINDS) == {*WEIGHTS, *NETWORKS}
    assert all(f"\n| {kind} | " in told for kind in KINDS)
    assert all(f"\n| {model} " in told for model in MODELS)


def test_nothing_passed_silently_in_the_page():
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| **all** |")]
    names = [name for name, _ in COLUMNS]
    assert len(rows) == 2
    for row in rows:
        mutants, *counts = [int(cell) for cell in row.strip("| ").split(" | ")[1:]]
        assert mutants >= 300
        found = dict(zip(names, counts, strict=True))
        assert found["passed silently"] == found["crashed"] == 0
