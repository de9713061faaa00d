"""Optimizers' states: files as the frameworks write them, from each to each, proven by training on."""

import json
import os
import pickle
import zipfile

import numpy as np
import pytest

from xframe import checkpoints
from xframe.checkpoints.keras.weights import optimizer_variables
from xframe.checkpoints.model import Outgoing
from xframe.errors import CheckpointError, UnsafeCheckpoint, UsageError
from xframe.mapping import load_table
from xframe.proving.optimizers.spec import parse_optimizer
from xframe.proving.sides import Side
from xframe.proving.training.sides import OptimizerState, TrainingSide, draw_batches
from xframe.tensors import TensorSpec
from xframe.workflows import port_optimizer
from xframe.workflows.port_optimizer import OptimizerOptions

MODEL = "lenet5_maxavg"
ENDINGS = {"paddle": ".pdopt", "torch": ".pt", "keras": ".keras"}
WEIGHTS = {"paddle": ".pdparams", "torch": ".pth", "keras": ".weights.h5"}
ROUND = [("paddle", "torch"), ("torch", "keras"), ("keras", "paddle")]  # each once as source and once as target
PAIRS = [*ROUND, *(pytest.param(target, source, marks=pytest.mark.slow) for source, target in ROUND)]


@pytest.fixture
def carried(port, tmp_path):
    """Port a state; weights are random, the same for every state of one source."""

    def run(source, target, optimizer="adam", state=None, **options):
        out = tmp_path / f"{source}-{target}{WEIGHTS[target]}"
        asked = OptimizerOptions(
            optimizer=parse_optimizer(optimizer), state=state, out=out.with_name(f"{out.name}.opt{ENDINGS[target]}")
        )
        return port(MODEL, source, target, out=out, optimizer=asked, **options)

    return run


@pytest.fixture
def written(pool, tmp_path):
    """A state that a framework itself wrote after two steps in float32."""

    def run(framework, optimizer="adam", model=MODEL):
        table = load_table(model, {})
        with pool.scratch():
            side = Side(pool, table, table.implementation(framework), "writer", "float32")
            batches = draw_batches(side, steps=2, seed=3)
            end = TrainingSide(side, parse_optimizer(optimizer), "float32")
            end.restart()
            for batch in batches:
                end.step(batch)()
            path = tmp_path / f"{framework}-{model}{ENDINGS[framework]}"
            end.save(path).result()
            side.release()
        return path

    return run


def values(path):
    """Every tensor of a state's file, by name."""
    from xframe.checkpoints.budget import AMPLE

    found = optimizer_variables(path, AMPLE) if path.suffix == ".keras" else checkpoints.read(path)
    return {name: np.array(tensor.array()) for name, tensor in found.tensors.items()}


def rewritten(path, tensors):
    """A .pt or .pdopt with other tensors, flat: the reader names nested ones alike."""
    specs = {name: TensorSpec(name, array.shape, array.dtype.name) for name, array in tensors.items()}
    checkpoints.write(path, None, [Outgoing.whole(specs[name], array.copy) for name, array in tensors.items()])
    return path


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_there_and_back_is_the_same_file(carried, written, source, target):
    first = written(source)
    there = carried(source, target, state=first)
    assert there.verdict == "equivalent"
    assert there.optimizer
    assert (there.optimizer.step, there.optimizer.rounding) == (2, 0.0)
    back = carried(target, source, state=there.optimizer.out, weights=there.out)
    one, other = values(first), values(back.optimizer.out)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(other[name], one[name], rtol=1e-6 if "beta" in name else 0, err_msg=name)


@pytest.mark.parametrize(
    ("source", "target"), [("torch", "keras"), pytest.param("keras", "paddle", marks=pytest.mark.slow)]
)
def test_a_momentum_changes_what_it_holds(carried, source, target):
    """keras keeps −η times what torch and paddle keep; what both do with it next is the same."""
    result = carried(source, target, "momentum,momentum=0.875")
    assert result.verdict == "equivalent"
    assert result.optimizer.training.verdict == "equivalent"
    assert 0 < result.optimizer.rounding < 1e-7


@pytest.mark.parametrize(
    ("source", "target"), [("paddle", "torch"), pytest.param("torch", "keras", marks=pytest.mark.slow)]
)
def test_without_a_state_the_source_trains_for_one(carried, source, target):
    result = carried(source, target, "rmsprop,momentum=0.875")
    assert result.optimizer
    assert result.optimizer.state == "3 steps of training"
    assert {name.split()[0] for name in result.optimizer.digests} == {"mean_square", "momentum"}


def test_told_with_digests(cli, tmp_path):
    done = cli("port", MODEL, "torch", "paddle", "--optimizer", "adam", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["optimizer"]
    assert told["training"]["verdict"] == "equivalent"
    assert len(told["digests"]) == told["values"] == 20
    certificate = json.loads((tmp_path / f"{MODEL}.pdparams.xframe.json").read_text(encoding="utf-8"))
    assert certificate["optimizer"]["digests"] == told["digests"]
    assert (tmp_path / f"{MODEL}.optimizer.pdopt").exists()


@pytest.mark.parametrize("framework", ENDINGS)
def test_the_state_of_another_optimizer(carried, written, tmp_path, framework):
    state = written(framework, "momentum")
    other = "torch" if framework != "torch" else "paddle"
    with pytest.raises(CheckpointError, match="expected the state of 'adam'") as caught:
        carried(framework, other, state=state)
    assert "missing: " in str(caught.value)
    assert caught.value.exit_code == 2
    assert list(tmp_path.glob(f"{framework}-{other}*")) == []


@pytest.mark.parametrize("framework", ENDINGS)
def test_the_state_of_another_model(carried, written, framework):
    other = "torch" if framework != "torch" else "paddle"
    with pytest.raises(CheckpointError, match=r"expected (the state of 'adam'|to have the shape)|was expected to have"):
        carried(framework, other, state=written(framework, model="mnist_cnn"))


@pytest.mark.parametrize("change", ["missing", "unknown", "nan", "shape", "steps"])
def test_a_spoilt_state(carried, written, tmp_path, change):
    tensors = values(written("torch"))
    name = "state.3.exp_avg_sq"
    if change == "missing":
        del tensors[name]
    elif change == "unknown":
        tensors["state.3.max_exp_avg_sq"] = tensors[name]
    elif change == "nan":
        tensors[name] = np.full_like(tensors[name], np.nan)
    elif change == "shape":
        tensors[name] = tensors[name][..., None]
    else:
        tensors["state.3.step"] = np.array(7.0, np.float32)
    said = {
        "missing": "missing: second_moment of conv3.bias",
        "unknown": "not known: state.3.max_exp_avg_sq",
        "nan": "NaN or Inf",
        "shape": "shape of its tensor",
        "steps": r"as many steps; found \[2, 7\]",
    }
    with pytest.raises(CheckpointError, match=said[change]):
        carried("torch", "paddle", state=rewritten(tmp_path / "spoilt.pt", tensors))


def test_other_betas_than_the_files(carried, written):
    with pytest.raises(CheckpointError, match="number of steps with betas"):
        carried("paddle", "torch", "adam,betas=0.9:0.99", state=written("paddle"))


class Hostile:
    def __reduce__(self):
        return os.system, ("touch /tmp/xframe-was-here",)


@pytest.mark.parametrize("framework", ["torch", "paddle"])
def test_nothing_in_a_state_is_run(carried, tmp_path, framework):
    path = tmp_path / f"hostile{ENDINGS[framework]}"
    if framework == "torch":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"state": Hostile()}, 2))
            archive.writestr("archive/version", "3\n")
    else:
        path.write_bytes(pickle.dumps({"a_moment1_0": Hostile()}, 4))
    with pytest.raises(UnsafeCheckpoint):
        carried(framework, "keras", state=path)
    assert not os.path.exists("/tmp/xframe-was-here")  # noqa: PTH110


@pytest.mark.parametrize("fault", ["swapped", "step", "sign"])
@pytest.mark.parametrize(("source", "target"), [("torch", "paddle"), ("paddle", "keras")])
def test_a_wrong_conversion_is_seen(carried, monkeypatch, tmp_path, source, target, fault):
    honest = port_optimizer.converted

    def dishonest(state, plan, rules):
        moved = honest(state, plan, rules)
        first, second = moved.held["first_moment"], moved.held["second_moment"]
        if fault == "swapped":
            return OptimizerState(moved.step, {"first_moment": second, "second_moment": first})
        if fault == "step":
            return OptimizerState(moved.step + 1, moved.held)
        return OptimizerState(moved.step, {**moved.held, "first_moment": {n: -a for n, a in first.items()}})

    monkeypatch.setattr(port_optimizer, "converted", dishonest)
    result = carried(source, target)
    assert (result.verdict, result.exit_code, result.out) == ("different", 1, None)
    assert "does not start from the source's state" in result.optimizer.training.faults[0].detail
    assert list(tmp_path.glob(f"{source}-{target}*")) == []


def test_words_that_do_not_fit(cli):
    for words, said in (
        (("--optimizer", "adm"), "Did you mean 'adam'?"),
        (("--optimizer", "adam,rho=0.9"), "adam takes"),
        (("--optimizer-state", "x.pt"), "none is named"),
        (("--optimizer", "adam", "--no-verify"), "--no-verify"),
        (("--optimizer", "adam", "--optimizer-out", "x.pdopt"), "Try: .pt"),
    ):
        done = cli("port", MODEL, "paddle", "torch", *words)
        assert (done.returncode, said in done.stderr.replace("\n", " ")) == (2, True), done.stderr


def test_figures_that_no_optimizer_takes():
    for text in ("adam,epsilon", "adam,betas=0.9", "sgd,learning_rate=0", "momentum,momentum=1", "adam,decay=l1"):
        with pytest.raises(UsageError):
            parse_optimizer(text)
