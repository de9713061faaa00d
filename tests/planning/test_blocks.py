"""Tensors that one framework keeps in one piece and another in several: split, joined, summed, listed twice."""

import numpy as np
import pytest

from xframe import strips as strips_module
from xframe.errors import PlanError
from xframe.mapping import load_table
from xframe.planning import Account, Filled, Join, Move, carried, computed, make_plan, outgoing
from xframe.tensors import TensorSpec

FRAMEWORKS = ("paddle", "torch", "keras")
TABLE = """\
summary = "blocks"
input = [4]
tokens = 9

[implementations]
paddle = { build = "nets:net" }
torch = { build = "nets:net" }
keras = { build = "nets:net" }
"torch/separate" = { build = "nets:net", dialect = "torch/separate" }

[[layers]]
kind = "multi_head_attention"
sizes = { heads = 2, in = 6, out = 6, key = 3 }
paddle = "attention"
torch = "attention"
keras = "attention"
"torch/separate" = "attention"

[[layers]]
kind = "gru"
sizes = { in = 4, out = 3, hidden = 3 }
paddle = "gru"
torch = "gru"
keras = "gru"
"torch/separate" = "gru"

[[layers]]
kind = "lstm"
sizes = { in = 4, out = 3, hidden = 3 }
paddle = "lstm"
torch = "lstm"
keras = "lstm"
"torch/separate" = "lstm"
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "blocks.toml"
    path.write_text(TABLE)
    return load_table(str(path))


def held_by(table, implementation, dtype="float32"):
    """Random tensors of every name, equal where they are names of one; and their specs."""
    random, arrays = np.random.default_rng(0), {}
    for entry in table.entries:
        if implementation in entry.names:
            name = entry.names[implementation]
            drawn = random.standard_normal(entry.shape(implementation)).astype(dtype)
            arrays.setdefault(name.name, arrays[name.same_as] if name.same_as else drawn)
    return arrays, {name: TensorSpec(name, array.shape, dtype) for name, array in arrays.items()}


def plan(table, source, target, specs, arrays, **options):
    return make_plan(table, source, target, specs, arrays.__getitem__, **options)


def ported(table, source, target, arrays):
    specs = {name: TensorSpec(name, array.shape, array.dtype.name) for name, array in arrays.items()}
    found = plan(table, source, target, specs, arrays)
    return {step.target.name: computed(step, arrays.__getitem__) for step in found.steps}


def refused(table, source, target, specs, arrays, **options):
    with pytest.raises(PlanError) as caught:
        plan(table, source, target, specs, arrays, **options)
    return [(problem.kind, problem.tensor, problem.detail) for problem in caught.value.problems]


def without_lstm_biases(arrays):
    """Biases that keras cannot tell apart, at what a port out of keras gives them."""
    zeros = {name for name in arrays if name.startswith("lstm") and "bias_hh" in name}
    return {name: np.zeros_like(array) if name in zeros else array for name, array in arrays.items()}


@pytest.mark.parametrize("source", [*FRAMEWORKS, "torch/separate"])
@pytest.mark.parametrize("target", [*FRAMEWORKS, "torch/separate"])
def test_there_and_back_is_exact_to_the_bit(table, source, target):
    arrays = without_lstm_biases(held_by(table, source)[0])
    there = ported(table, source, target, arrays)
    assert {name: array.shape for name, array in there.items()} == {
        name: array.shape for name, array in held_by(table, target)[0].items()
    }
    back = ported(table, target, source, there)
    assert {name: array.tobytes() for name, array in back.items()} == {
        name: array.tobytes() for name, array in arrays.items()
    }


def test_one_tensor_of_torch_is_three_of_paddle(table):
    arrays, specs = held_by(table, "torch")
    found = ported(table, "torch", "paddle", arrays)
    q, k, v = np.split(arrays["attention.in_proj_weight"], 3)
    assert np.array_equal(found["attention.q_proj.weight"], q.T)
    assert np.array_equal(found["attention.k_proj.weight"], k.T)
    assert np.array_equal(found["attention.v_proj.weight"], v.T)
    steps = {step.target.name: step for step in plan(table, "torch", "paddle", specs, arrays).steps}
    assert isinstance(steps["attention.k_proj.weight"], Move)
    assert steps["attention.k_proj.weight"].rearrangement.text.endswith("-> in (heads key) at k")


def test_three_of_keras_are_one_of_torch(table):
    arrays, specs = held_by(table, "keras")
    found = ported(table, "keras", "torch", arrays)
    parts = [arrays[f"attention/{part}/kernel"].reshape(6, 6).T for part in ("query", "key", "value")]
    assert np.array_equal(found["attention.in_proj_weight"], np.concatenate(parts))
    assert np.array_equal(
        found["attention.out_proj.weight"], arrays["attention/attention_output/kernel"].reshape(6, 6).T
    )
    (step,) = (
        s for s in plan(table, "keras", "torch", specs, arrays).steps if s.target.name == "attention.in_proj_bias"
    )
    assert isinstance(step, Join)
    assert step.entry.layer.kind.name == "multi_head_attention"


def test_gates_and_biases_of_a_gru(table):
    arrays, _ = held_by(table, "torch")
    found = ported(table, "torch", "keras", arrays)
    r, z, n = np.split(arrays["gru.weight_ih_l0"], 3)
    assert np.array_equal(found["gru/gru_cell/kernel"], np.concatenate([z, r, n]).T)
    biases = [np.concatenate([b[3:6], b[:3], b[6:]]) for b in (arrays["gru.bias_ih_l0"], arrays["gru.bias_hh_l0"])]
    assert np.array_equal(found["gru/gru_cell/bias"], np.stack(biases))


def test_biases_of_an_lstm_are_summed_in_float64_and_rounded_once(table):
    arrays, specs = held_by(table, "paddle")
    found = ported(table, "paddle", "keras", arrays)
    both = [arrays[f"lstm.bias_{side}_l0"].astype(np.float64) for side in ("ih", "hh")]
    assert np.array_equal(found["lstm/lstm_cell/bias"], (both[0] + both[1]).astype(np.float32))
    made = plan(table, "paddle", "keras", specs, arrays)
    summed = {drop.source.name: drop for drop in made.dropped if drop.added}
    assert list(summed) == ["lstm.bias_hh_l0"]
    assert "added to bias_ih" in summed["lstm.bias_hh_l0"].because
    assert made.folds
    assert not any(drop.folded for drop in made.dropped)


def test_a_second_bias_of_zero_is_dropped_and_nothing_is_rounded(table):
    arrays = without_lstm_biases(held_by(table, "torch")[0])
    made = plan(table, "torch", "keras", held_by(table, "torch")[1], arrays)
    assert not made.folds
    assert [drop.source.name for drop in made.dropped] == ["lstm.bias_hh_l0"]
    steps = {step.target.name: step for step in made.steps}
    assert steps["lstm/lstm_cell/bias"].folds == ()


def test_out_of_keras_the_second_bias_is_filled_and_says_why(table):
    arrays, specs = held_by(table, "keras")
    made = plan(table, "keras", "paddle", specs, arrays)
    filled = {step.target.name: step for step in made.filled}
    assert set(filled) == {"lstm.bias_hh_l0", "lstm.0.cell.bias_hh"}
    assert {(step.fill.value, step.fill.because) for step in filled.values()} == {
        (0.0, "keras has one bias, the sum of both")
    }


def test_a_tensor_under_two_names_goes_once_and_comes_twice(table):
    arrays, specs = held_by(table, "paddle")
    made = plan(table, "paddle", "torch", specs, arrays)
    again = [drop.source.name for drop in made.dropped]
    assert again == [name for name in arrays if ".0.cell." in name]
    assert made.dropped[0].because == "another name of gru.weight_ih_l0, and the same bits"
    back = ported(table, "torch", "paddle", ported(table, "paddle", "torch", arrays))
    assert np.array_equal(back["lstm.0.cell.weight_hh"], arrays["lstm.weight_hh_l0"])
    assert [drop.source.name for drop in plan(table, "paddle", "paddle", specs, arrays).dropped] == []


@pytest.mark.parametrize("change", [np.negative, lambda array: array[::-1]])
def test_two_names_of_one_tensor_that_differ_are_refused(table, change):
    arrays, specs = held_by(table, "paddle")
    arrays["gru.0.cell.weight_hh"] = change(arrays["gru.0.cell.weight_hh"])
    (problem,) = refused(table, "paddle", "torch", specs, arrays)
    assert problem[:2] == ("drop", "gru.0.cell.weight_hh")
    assert "another name of 'gru.weight_hh_l0', but the two differ" in problem[2]


def test_a_missing_second_name_is_named(table):
    arrays, specs = held_by(table, "paddle")
    del specs["gru.0.cell.weight_hh"]
    assert [problem[:2] for problem in refused(table, "paddle", "torch", specs, arrays)] == [
        ("missing", "gru.0.cell.weight_hh")
    ]


@pytest.mark.parametrize("implementation", FRAMEWORKS)
def test_counts_for_machines(table, implementation):
    arrays, specs = held_by(table, implementation)
    counts = plan(table, implementation, "torch", specs, arrays).counts()
    filled = ["lstm.bias_hh_l0"] if implementation == "keras" else []
    assert (counts["moved"], counts["filled"]) == (12 - len(filled), filled)


# ── what does not fit ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_missing_blocks_are_all_named(table):
    arrays, specs = held_by(table, "paddle")
    for part in "qv":
        del specs[f"attention.{part}_proj.weight"]
    specs["attention.vv_proj.weight"] = TensorSpec("attention.vv_proj.weight", (6, 6), "float32")
    _, wanted = held_by(table, "torch")
    with pytest.raises(PlanError) as caught:
        plan(table, "paddle", "torch", specs, arrays, wanted=wanted)
    told = [str(problem) for problem in caught.value.problems]
    assert len(told) == 3, told
    assert "attention.in_proj_weight: no source tensor 'attention.q_proj.weight'" in told[0]
    assert "attention.in_proj_weight: no source tensor 'attention.v_proj.weight'" in told[1]
    assert "did you mean 'attention.vv_proj.weight'?" in told[1]
    assert "attention.vv_proj.weight: unused" in told[2]


def test_a_missing_whole_leaves_every_block_unset(table):
    arrays, specs = held_by(table, "torch")
    del specs["attention.in_proj_weight"]
    assert refused(table, "torch", "paddle", specs, arrays) == [
        ("missing", f"attention.{part}_proj.weight", "no source tensor 'attention.in_proj_weight'") for part in "kqv"
    ]


def test_a_block_of_another_shape_is_named(table):
    arrays, specs = held_by(table, "paddle")
    specs["attention.k_proj.weight"] = TensorSpec("attention.k_proj.weight", (6, 8), "float32")
    ((kind, tensor, detail),) = refused(table, "paddle", "torch", specs, arrays)
    assert (kind, tensor) == ("shape", "attention.k_proj.weight")
    assert "should be 6, found 8" in detail


def test_a_whole_of_another_shape_is_named_once(table):
    arrays, specs = held_by(table, "torch")
    specs["attention.in_proj_weight"] = TensorSpec("attention.in_proj_weight", (16, 6), "float32")
    ((kind, tensor, detail),) = refused(table, "torch", "paddle", specs, arrays)
    assert (kind, tensor) == ("shape", "attention.in_proj_weight")
    assert "dimension 'part heads key' of '(part[q k v] heads key) in' should be 18, found 16" in detail


def test_blocks_that_do_not_go_together_are_refused(table, tmp_path):
    """keras's value_dim, say: each tensor fits the row, which leaves `key` open, but they are no blocks of one."""
    arrays, specs = held_by(table, "keras")
    for name, shape, dtype in (("value", (6, 2, 5), "float32"), ("key", (6, 2, 3), "float64")):
        specs[f"attention/{name}/kernel"] = TensorSpec(f"attention/{name}/kernel", shape, dtype)
    path = tmp_path / "open.toml"
    path.write_text(TABLE.replace(", key = 3", ""))
    found = refused(load_table(str(path)), "keras", "torch", specs, arrays)
    assert [problem[:2] for problem in found] == [
        ("dtype", "attention/key/kernel"),
        ("shape", "attention/value/kernel"),
    ]
    assert "as the block 'v' of 'attention.in_proj_weight' it needs the shape [30, 6]" in found[1][2]
    assert "but 'attention/query/kernel' needs [18, 6]" in found[1][2]


def test_a_target_without_one_of_the_blocks_leaves_the_whole_unused(table):
    arrays, specs = held_by(table, "torch")
    _, wanted = held_by(table, "paddle")
    del wanted["attention.k_proj.weight"]
    assert refused(table, "torch", "paddle", specs, arrays, wanted=wanted) == [
        ("unused", "attention.in_proj_weight", "unused: the target has no 'attention.k_proj.weight'")
    ]


# ── what goes along with the weights, and how ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("source", FRAMEWORKS)
@pytest.mark.parametrize("target", FRAMEWORKS)
def test_gradients_are_carried_as_the_weights_are(table, source, target):
    arrays = without_lstm_biases(held_by(table, source)[0])
    specs = {name: TensorSpec(name, array.shape, "float32") for name, array in arrays.items()}
    gradients = {name: array.astype(np.float64) / 3 for name, array in arrays.items()}
    for step in plan(table, source, target, specs, arrays).steps:
        if not isinstance(step, Filled):  # a fill has nothing to carry
            found = carried(step, gradients.__getitem__)
            assert found.dtype == np.float64
            assert np.array_equal(found, computed(step, arrays.__getitem__).astype(np.float64) / 3)


def test_a_sum_is_not_carried(table):
    arrays, specs = held_by(table, "torch")
    (step,) = (s for s in plan(table, "torch", "keras", specs, arrays).steps if s.target.name == "lstm/lstm_cell/bias")
    assert np.array_equal(carried(step, arrays.__getitem__), arrays["lstm.bias_ih_l0"])
    assert not np.array_equal(computed(step, arrays.__getitem__), arrays["lstm.bias_ih_l0"])


FUSED_LAST = """\
summary = "blocks that are not outermost"
input = [4]

[implementations]
paddle = { build = "nets:net" }
keras = { build = "nets:net" }

[[layers]]
kind = "fused"
paddle = "fused"
keras = "fused"

[kinds.fused]
summary = "fused along the last axis in keras, the gates of each in another order"

  [kinds.fused.weight]
  draw   = "kernel"
  paddle = { "{part}.weight" = "(gate[r z n] out) in" }
  keras  = { kernel = "in (part[v q] gate[z n r] out)" }
"""


@pytest.mark.parametrize("largest", [2**24, 60, 4])
@pytest.mark.parametrize("dtype", [None, "float16"])
def test_blocks_that_are_not_outermost_are_put_together_piece_by_piece(tmp_path, monkeypatch, largest, dtype):
    path = tmp_path / "fused.toml"
    path.write_text(FUSED_LAST)
    table = load_table(str(path))
    arrays = {f"fused.{part}.weight": np.random.default_rng(n).random((6, 5), "float32") for n, part in enumerate("qv")}
    specs = {name: TensorSpec(name, array.shape, "float32") for name, array in arrays.items()}
    arrays["fused.v.weight"][3, 2] = np.nan
    monkeypatch.setattr(strips_module, "LARGEST", largest)
    made, account = plan(table, "paddle", "keras", specs, arrays, dtype=dtype), Account()
    (tensor,) = outgoing(made, arrays.__getitem__, account)
    expected = [
        np.concatenate([arrays[f"fused.{part}.weight"][rows] for rows in (slice(2, 4), slice(4, 6), slice(0, 2))])
        for part in "vq"
    ]
    expected = np.concatenate(expected).T.astype(dtype or "float32")
    assert np.array_equal(tensor.values(), expected, equal_nan=True)
    assert account.nonfinite == ("fused.v.weight",)
    assert all(strip.nbytes <= max(largest, expected.itemsize) for strip in tensor.strips())
