"""The course's own fault and its neighbours on resnet18: refused by name, through the command line."""

import json

import numpy as np
import pytest
from planted import assert_different_at

from xframe import checkpoints
from xframe.errors import PlanError
from xframe.mapping import find_table

VECTORS = ("_mean", "_variance", "bias", "weight")
MISSING = ["net.0.0.bias", *(f"net.{stage}.0.bn3.{name}" for stage in (2, 3, 4) for name in VECTORS)]
UNUSED = [f"layer{stage}.0.downsample.1.{name}" for stage in (2, 3, 4) for name in VECTORS]
# One float32 subtraction rounds mean − bias: 5e-9 of the outputs where the bias is as large as the activations.
SMALLER = ("size         = 224", "size         = 64")
BIAS = '  [layers.only.bias]\n  in        = ["paddle/custom"]\n  value     = 0\n  fold_into = "net.0.1"\n'


def spoilt(tmp_path, *edits):
    """resnet18's table with pieces of its text replaced; every piece must be there."""
    text = find_table("resnet18").read_text(encoding="utf-8")
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / "spoilt.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def misspelt(tmp_path):
    """`shorcutt` for the batch norm of the shortcut, and no word of the stem's bias."""
    bias = find_table("resnet18").read_text(encoding="utf-8").partition(BIAS)[2].partition("\n\n")[0]
    return spoilt(tmp_path, (BIAS + bias, 'without = ["bias"]'), ("net.{stage}.0.bn3", "net.{stage}.0.shorcutt"))


@pytest.fixture
def resnet18(tmp_path):
    """The table as it is, but for smaller images."""
    return spoilt(tmp_path, SMALLER)


def test_misspelt_branch(cli, misspelt, tmp_path):
    done = cli("port", misspelt, "paddle", "paddle/custom", "--json")
    assert done.returncode == 2
    told = json.loads(done.stdout)
    problems = {problem["tensor"]: problem for problem in told["problems"]}
    assert told["verdict"] == "refused"
    assert [name for name, problem in problems.items() if problem["kind"] == "missing"] == MISSING
    assert [name for name, problem in problems.items() if problem["kind"] == "unused"] == UNUSED
    assert len(problems) == len(told["problems"]) == 25
    for ours, theirs in zip(UNUSED, MISSING[1:], strict=True):
        assert problems[ours]["suggestion"] == f"did you mean '{theirs}'?"
        assert problems[theirs]["suggestion"] == f"did you mean '{ours}'?"
        assert theirs.replace("bn3", "shorcutt") in problems[ours]["detail"]
    assert problems["net.0.0.bias"]["suggestion"] == ""
    assert all(name in done.stderr for name in problems)
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [misspelt]


def test_misspelt_branch_on_the_source_side(port, misspelt, tmp_path):
    with pytest.raises(PlanError) as caught:
        port(misspelt, "paddle/custom", "paddle")
    problems = {problem.tensor: problem for problem in caught.value.problems}
    assert [name for name, problem in problems.items() if problem.kind == "missing"] == UNUSED
    assert [name for name, problem in problems.items() if problem.kind == "unused"] == MISSING
    for ours, theirs in zip(MISSING[1:], UNUSED, strict=True):
        assert problems[ours].suggestion == f"did you mean '{theirs}'?"
        assert problems[theirs].suggestion.startswith(f"did you mean '{ours}'?")
    assert list(tmp_path.iterdir()) == [misspelt]


def test_misspelt_branch_on_the_source_side_is_told(port, misspelt):
    with pytest.raises(PlanError) as caught:
        port(misspelt, "paddle/custom", "paddle")
    assert all(name in str(caught.value) for name in (*MISSING, *UNUSED))


def test_swapped_batch_norms(cli, tmp_path):
    """bn1 and bn2 of every block, swapped in one column: every shape fits, and fresh ones would all be alike."""
    row = find_table("resnet18").read_text(encoding="utf-8").partition('block = "0..1", n = "1..2" }\n')
    body = row[2].partition("\n\n")[0]
    one = body.replace("{n}", "1").replace('torch  = "layer{stage}.{block}.bn1"', 'torch  = "layer{stage}.{block}.bn2"')
    two = body.replace("{n}", "2").replace('torch  = "layer{stage}.{block}.bn2"', 'torch  = "layer{stage}.{block}.bn1"')
    loop, kind = 'block = "0..1" }\n', '\n\n[[layers]]\nkind   = "batch_norm"\nfor    = { stage = "1..4", '
    table = spoilt(tmp_path, SMALLER, ('block = "0..1", n = "1..2" }\n' + body, loop + one + kind + loop + two))
    done = cli("port", table, "paddle", "torch", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["verdict"], told["out"]) == (1, "different", None)
    found = told["first_divergence"]
    assert (found["source_name"], found["target_name"]) == ("layer1.0.bn1", "layer1.0.bn2")
    assert list(tmp_path.iterdir()) == [table]


@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_stem_bias_is_folded_into_the_batch_norm(port, resnet18, random_file, tmp_path, scale):
    """BN(x + b; mean) = BN(x; mean − b), so a bias of any value leaves no trace but in the running mean."""
    bias = (np.random.default_rng(1).standard_normal(64) * scale).astype(np.float32)
    weights = random_file(resnet18, "paddle/custom", **{"net.0.0.bias": bias})
    result = port(resnet18, "paddle/custom", "torch", weights=weights, out=tmp_path / "folded.pth")
    assert result.verdict == "equivalent"
    assert result.proof.float64.max_rel <= 1e-9
    assert result.to_json()["tensors"]["dropped"] == ["net.0.0.bias"]
    found = checkpoints.read(result.out).tensors["bn1.running_mean"].array()
    mean = np.load(weights)["net.0.1._mean"].astype(np.float64)
    assert np.array_equal(found, (mean - bias).astype(np.float32))


def test_stem_bias_that_nothing_takes_over(port, random_file, tmp_path):
    table = spoilt(tmp_path, ('  fold_into = "net.0.1"\n', ""))
    weights = random_file(table, "paddle/custom", **{"net.0.0.bias": np.full(64, 1e-30)})
    with pytest.raises(PlanError) as caught:
        port(table, "paddle/custom", "torch", weights=weights)
    (problem,) = caught.value.problems
    assert (problem.kind, problem.tensor, caught.value.exit_code) == ("drop", "net.0.0.bias", 2)
    assert not (tmp_path / "ported.npz").exists()


def test_stem_bias_folded_into_another_batch_norm(port, random_file, tmp_path):
    """The fold can fail: the first norm behind another convolution is as wide, and wrong."""
    table = spoilt(tmp_path, SMALLER, ('fold_into = "net.0.1"', 'fold_into = "net.1.0.bn1"'))
    weights = random_file(table, "paddle/custom", **{"net.0.0.bias": np.ones(64)})
    result = port(table, "paddle/custom", "torch", weights=weights)
    assert_different_at(("net.0.1", "bn1"), result)
