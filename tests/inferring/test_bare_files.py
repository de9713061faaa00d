"""`infer` on two weight files without models: names, shapes, and values where both hold the same training."""

import numpy as np
import pytest

from xframe.errors import UsageError
from xframe.inferring.asked import InferOptions
from xframe.mapping import load_table
from xframe.workflows.convert import convert
from xframe.workflows.infer import infer as carry_out

SHAPES = {"first": (5, 3), "second": (5, 5), "third": (5, 5), "last": (2, 5)}  # torch has outputs first


@pytest.fixture
def files(tmp_path):
    """Linear layers as torch keeps them, and as Keras does, under other names; of the `same` training or of another."""

    def write(names, *, same):
        random = np.random.default_rng(0)
        ours, theirs = {}, {}
        for (own, shape), other in zip(SHAPES.items(), names, strict=True):
            weight, bias = random.normal(size=shape).astype("f4"), random.normal(size=shape[0]).astype("f4")
            ours |= {f"{own}.weight": weight, f"{own}.bias": bias}
            if not same:
                weight, bias = (random.normal(size=array.shape).astype("f4") for array in (weight, bias))
            theirs |= {f"{other}/bias": bias, f"{other}/kernel": weight.T.copy()}
        np.savez(tmp_path / "ours.npz", **ours)
        np.savez(tmp_path / "theirs.npz", **dict(sorted(theirs.items())))
        return f"torch={tmp_path / 'ours.npz'}", f"keras={tmp_path / 'theirs.npz'}"

    return write


@pytest.fixture
def infer(tmp_path):
    return lambda *sides: carry_out(*sides, InferOptions(out=tmp_path / "inferred.toml"))


def pairs(found):
    return {finding.pairing.source.cell: finding.pairing.target.cell for finding in found.findings}


def test_values_say_it_where_both_hold_the_same_training(files, infer, tmp_path):
    found = infer(*files(("d", "c", "b", "a"), same=True))
    assert (found.verdict, found.proof) == ("inferred", None)
    assert pairs(found) == {"first": "d", "second": "c", "third": "b", "last": "a"}
    assert {finding.evidence for finding in found.findings} == {"the values of both files are the same"}
    out = tmp_path / "converted.npz"
    convert(str(found.out), "torch", "keras", tmp_path / "ours.npz", out)
    ported, theirs = np.load(out), np.load(tmp_path / "theirs.npz")
    assert all(np.array_equal(ported[name], theirs[name]) for name in theirs.files)


def test_names_say_it_or_nothing_does(files, infer):
    """Two square layers of one shape: by their names alone, or not at all; the others are the only ones that fit."""
    named = infer(*files(("first", "second", "third", "last"), same=False))
    assert named.verdict == "inferred"
    assert pairs(named) == {name: name for name in SHAPES}
    renamed = infer(*files(("dense", "dense_1", "dense_2", "dense_3"), same=False))
    assert (renamed.verdict, renamed.exit_code) == ("doubtful", 1)
    assert {finding.pairing.source.cell for finding in renamed.doubtful} == {"second", "third"}
    assert "nothing was run" in renamed.doubtful[0].doubt
    assert pairs(renamed)["first"] == "dense"
    assert pairs(renamed)["last"] == "dense_3"


def test_another_structure_is_incomplete(files, infer, tmp_path):
    ours, theirs = files(("first", "second", "third", "last"), same=False)
    held = dict(np.load(tmp_path / "theirs.npz"))
    held["last/kernel"] = np.zeros((5, 3), "f4")
    held["last/bias"] = np.zeros(3, "f4")
    np.savez(tmp_path / "theirs.npz", **held)
    found = infer(ours, theirs)
    assert found.verdict == "incomplete"
    assert [part.cell for part in (*found.source_alone, *found.target_alone)] == ["last", "last"]


def test_such_a_table_converts_and_runs_nothing(files, infer, port, pool):
    from xframe.workflows.check import check

    found = infer(*files(("first", "second", "third", "last"), same=False))
    table = load_table(str(found.out))
    assert len(table.layers) == len(SHAPES)
    checked = check(str(found.out), pool=pool)
    assert checked
    assert checked.unbuilt == dict.fromkeys(("torch", "keras"), "its column has no build")
    with pytest.raises(UsageError, match="does not say what builds its model"):
        port(found.out, "torch", "keras")


def test_a_model_and_a_file_are_no_pair(files, infer):
    ours, _ = files(("first", "second", "third", "last"), same=False)
    with pytest.raises(UsageError, match="Expected two models, or two files"):
        carry_out(ours, "keras=docs.examples.words_keras:words", InferOptions(input=(3,)))


def test_names_that_would_be_more_than_names(tmp_path, infer):
    """A line break in one does not end the comment, or the string, that it stands in; nothing becomes a build."""
    evil = 'x"]\n[implementations.evil]\nbuild = "os:abort"\n#'
    weights = {f"{evil}.weight": np.arange(12.0).reshape(3, 4), f"lone{evil}.foo": np.zeros((2, 2, 2))}
    np.savez(tmp_path / "one.npz", **weights)
    np.savez(tmp_path / "other.npz", **{f"y{evil}.weight": weights[f"{evil}.weight"]})
    found = infer(f"torch={tmp_path / 'one.npz'}", f"torch/b={tmp_path / 'other.npz'}")
    assert found.verdict == "incomplete"
    table = load_table(str(found.out))
    assert list(table.implementations) == ["torch", "torch/b"]
    assert [dict(layer.names) for layer in table.layers] == [{"torch": evil, "torch/b": f"y{evil}"}]
    np.savez(tmp_path / "braces.npz", **{"{n}.weight": np.zeros((2, 2))})
    with pytest.raises(UsageError, match="braces and commas mean something"):
        infer(f"torch={tmp_path / 'braces.npz'}", f"torch/b={tmp_path / 'other.npz'}")


def test_names_that_hold_the_same_bits_are_doubtful(tmp_path, infer):
    """One tensor under two names, or two that no training has told apart: a file does not tell which."""
    weight = np.random.default_rng(0).normal(size=(3, 4))
    for name, cells in {"one": "ab", "other": "cd"}.items():
        np.savez(tmp_path / f"{name}.npz", **{f"{cell}.weight": weight for cell in cells})
    found = infer(f"torch={tmp_path / 'one.npz'}", f"torch/b={tmp_path / 'other.npz'}")
    assert found.verdict == "doubtful"
    assert "copies that no training has told apart" in found.doubtful[0].doubt
