"""Which tensors of a file are meant: branches, prefixes, lost dtypes, and what a file holds besides."""

import pickle
import time

import numpy as np
import pytest
from conftest import outgoing

from xframe import checkpoints
from xframe.checkpoints import Budget, Selection, opened
from xframe.checkpoints.branches import crosses_a_branch, told_branches
from xframe.checkpoints.prefixes import is_optimizer_state, prefix_missing, prefix_too_many, shared_prefixes, strip_flag
from xframe.checkpoints.tree import MOST_LISTED, flatten, in_words
from xframe.errors import CheckpointError, UsageError
from xframe.tensors import TensorSpec

EXPECTED = ("fc.weight", "fc.bias")


def net(prefix="", seed=0):
    drawn = np.random.default_rng(seed)
    return {
        f"{prefix}fc.weight": drawn.random((2, 3)).astype("f4"),
        f"{prefix}fc.bias": drawn.random(2).astype("f4"),
    }


def adam():
    state = {
        index: {"step": np.ones((), "f4"), "exp_avg": np.ones(3, "f4"), "exp_avg_sq": np.ones(3, "f4")}
        for index in (0, 1)
    }
    return {"state": state, "param_groups": [{"lr": 1}]}


@pytest.fixture
def save(tmp_path):
    """Saves a nest of dicts and arrays as ``paddle.save`` does."""

    def save(tree, name="a.pdparams"):
        (tmp_path / name).write_bytes(pickle.dumps(tree, protocol=4))
        return tmp_path / name

    return save


def refused(path, selection=None, expected=EXPECTED):
    with pytest.raises(CheckpointError) as caught:
        opened(path, selection or Selection(), expected=expected)
    return str(caught.value)


def test_metadata_is_everything_that_is_no_tensor_in_a_few_words(save):
    tree = {
        "w": np.ones(2), "epoch": 3, "best": 0.5, "name": "adam\x1b[31m", "none": None, "steps": [30, 60],
        "args": {"lr": 0.1, "deep": {"flag": True}}, "ids": list(range(100)), "empty": {}, "ü": "x" * 200,
        "pairs": [{"a": 1}, {"a": 2}],
    }  # fmt: skip
    found = checkpoints.read(save(tree)).metadata
    assert found == {
        "epoch": "3", "best": "0.5", "name": r"adam\x1b[31m", "none": "None", "steps": "[30, 60]", "args.lr": "0.1",
        "args.deep.flag": "True", "ids": "[0, 1, 2, 3, 4, 5, 6, 7, … 100 in all]", "empty": "{}",
        r"\xfc": r"" + "x" * 80 + r"\u2026", "pairs.0.a": "1", "pairs.1.a": "2",
    }  # fmt: skip


def test_metadata_is_bounded():
    tree = {"w": 1.5, **{f"n{index}": index for index in range(MOST_LISTED + 5)}}
    found = flatten(tree, lambda value: value if isinstance(value, float) else None, "here")
    assert len(found.metadata) == MOST_LISTED
    assert found.notes == ("5 more values that are no tensors, not listed",)
    assert in_words(1 << 40_000) == "an integer of 40001 bits"
    assert in_words(b"abc") == "3 bytes"
    assert in_words((1, "two")) == "(1, two)"
    assert in_words(object()) == "<object>"


def test_branches_are_the_dicts_and_lists_that_hold_tensors(save):
    tree = {"model": {"a": net(), "b": [net()]}, "dotted.name": np.ones(1), "args": {"lr": 0.1}}
    found = checkpoints.read(save(tree)).branches
    assert found == {"model": 4, "model.a": 2, "model.b": 2, "model.b.0": 2}


def test_dots_in_flat_names_are_no_branches(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoints.write(path, None, outgoing([TensorSpec("state_dict.fc.weight", (2,), "float32")]))
    assert checkpoints.read(path).branches == {}
    text = refused(path, Selection(select="state_dict"))
    assert "found no branches" in text
    assert text.endswith("Try: --strip-prefix 'state_dict.'.")


def test_the_only_state_dict_of_a_file_is_taken_and_said(save):
    found = opened(save({"state_dict": net(), "epoch": 3, "args": {"lr": 1, "wd": 2}}), expected=EXPECTED)
    assert list(found.tensors) == list(EXPECTED)
    assert [tensor.spec.name for tensor in found.tensors.values()] == list(EXPECTED)
    assert found.notes == (
        "took 'state_dict', the only state dict in the file",
        "left out, not tensors: epoch, args (2 values)",
    )


def test_the_only_state_dict_may_lie_deeper(save):
    found = opened(save({"checkpoint": {"model": net(), "lr": 1}, "epoch": 3}), expected=EXPECTED)
    assert set(found.tensors) == set(EXPECTED)
    assert "took 'checkpoint.model', the only state dict in the file" in found.notes


def test_nothing_is_taken_where_the_names_fit_as_they_are(save):
    found = opened(save({"fc": {"weight": np.ones(1), "bias": np.ones(1)}}), expected=EXPECTED)
    assert list(found.tensors) == list(EXPECTED)
    assert found.notes == ()


def test_nothing_is_taken_for_a_look(save):
    assert set(opened(save({"state_dict": net()})).tensors) == {"state_dict.fc.weight", "state_dict.fc.bias"}


def test_several_state_dicts_are_refused_and_listed(save):
    path = save({"state_dict": net(), "ema": net(seed=1), "optimizer": adam(), "epoch": 3})
    text = refused(path)
    assert "state_dict (2 tensors), ema (2 tensors), optimizer (6 tensors, an optimizer's state)." in text
    assert text.endswith("Try: --select state_dict or --select ema.")
    assert "optimizer.state" not in text


def test_a_tensor_beside_the_only_branch_is_reason_to_ask(save):
    assert "Try: --select state_dict." in refused(save({"state_dict": net(), "mean": np.ones(3)}))


def test_a_branch_with_a_prefix_is_offered_with_both_options(save):
    path = save({"model": {"student": net("module."), "teacher": net("module.")}, "optimizer": adam()})
    text = refused(path)
    assert "Try: --select model.student --strip-prefix 'module.' or --select model.teacher --strip-prefix 'm" in text
    found = opened(path, Selection(select="model.teacher", strip_prefix="module."), expected=EXPECTED)
    assert list(found.tensors) == list(EXPECTED)


def test_several_state_dicts_inside_the_only_branch_are_refused_too(save):
    text = refused(save({"model": {"student": net("module."), "teacher": net("module.")}, "epoch": 3}))
    assert "Try: --select model.student --strip-prefix 'module.' or" in text


def test_many_branches_take_no_longer_than_a_few(save):
    path = save({f"part{index}": {"x": np.ones(1)} for index in range(5000)})
    started = time.process_time()
    assert "part7 (1 tensor), 4992 more." in refused(path)
    assert time.process_time() - started < 10


def test_branches_of_another_model_are_listed_too(save):
    text = refused(save({"encoder": {"x": np.ones(1)}, "decoder": {"y": np.ones(1)}}))
    assert "expected weights such as fc.bias; found no such name, but branches: encoder (1 tensor), decoder" in text


def test_select_takes_a_branch(save):
    path = save({"model": {"a": net(), "b": net(seed=1)}, "epoch": 3})
    found = opened(path, Selection(select="model.b"))
    assert {name: tensor.array().tolist() for name, tensor in found.tensors.items()} == {
        name: array.tolist() for name, array in net(seed=1).items()
    }
    assert found.notes == ("took 'model.b', as --select says",)
    assert opened(path, Selection(select="model")).branches == {"a": 2, "b": 2}


def test_an_unknown_branch_is_refused_with_those_that_there_are(save):
    text = refused(save({"model": net(), "ema": net()}), Selection(select="emo"), expected=None)
    assert "expected a branch 'emo'; found model (2 tensors), ema (2 tensors)." in text


def test_a_branch_and_flat_names_that_look_like_it_are_refused(save):
    path = save({"model": net(), "model.head": np.ones(1)})
    assert "with a dot beside it" in refused(path, Selection(select="model"))


def test_many_branches_are_clipped(save):
    text = refused(save({f"part{index}": {"x": np.ones(1)} for index in range(30)}))
    assert "part7 (1 tensor), 22 more." in text


def test_strip_prefix_takes_it_from_every_name(save):
    found = opened(save(net("module.")), Selection(strip_prefix="module."), expected=EXPECTED)
    assert [tensor.spec.name for tensor in found.tensors.values()] == list(EXPECTED)
    assert found.notes == ("stripped 'module.' from 2 tensors, as --strip-prefix says",)


def test_strip_prefix_works_inside_the_only_state_dict(save):
    path = save({"state_dict": net("module."), "epoch": 3})
    assert list(opened(path, Selection(strip_prefix="module."), expected=EXPECTED).tensors) == list(EXPECTED)


def test_a_prefix_may_be_a_branch_too(save):
    path = save({"state_dict": {"module": net()}, "epoch": 3})
    found = opened(path, Selection(strip_prefix="module."), expected=EXPECTED)
    assert list(found.tensors) == list(EXPECTED)
    assert found.notes[0] == "took 'state_dict', the only state dict in the file"


def test_a_prefix_that_one_name_lacks_is_refused(save):
    path = save({**net("module."), "n_averaged": np.ones(1)})
    text = refused(path, Selection(strip_prefix="module."))
    assert "found 1 of 3 tensors that does not: n_averaged." in text


def test_a_prefix_that_leaves_nothing_of_a_name_is_refused(save):
    assert "2 of 2 tensors that do not" in refused(
        save({"a.": np.ones(1), "b": np.ones(1)}), Selection(strip_prefix="a.")
    )


def test_stored_as_reads_the_same_bits_as_another_dtype(tmp_path):
    bits = np.arange(6, dtype="u2").reshape(2, 3)
    np.savez(tmp_path / "a.npz", **{"fc.weight": bits, "fc.bias": np.ones(2, "i1"), "more": np.ones(2, "f4")})
    found = opened(tmp_path / "a.npz", Selection(stored_as={"uint16": "bfloat16", "int8": "float8_e4m3fn"}))
    assert {name: tensor.spec.dtype for name, tensor in found.tensors.items()} == {
        "fc.weight": "bfloat16", "fc.bias": "float8_e4m3fn", "more": "float32",
    }  # fmt: skip
    assert np.array_equal(found.tensors["fc.weight"].array(), bits)
    assert found.tensors["fc.bias"].array().dtype == np.uint8
    assert found.notes == (
        "1 tensor stored as uint16 read as bfloat16, as --stored-as says",
        "1 tensor stored as int8 read as float8_e4m3fn, as --stored-as says",
    )


def test_stored_as_reads_what_had_to_be_unpacked(tmp_path):
    """Protocol 2 has no bytes: an array's come out of a text."""
    path = tmp_path / "a.pdparams"
    path.write_bytes(pickle.dumps({"w": np.array([56, 64], "i1")}, protocol=2))
    (tensor,) = opened(path, Selection(stored_as={"int8": "float8_e4m3fn"})).tensors.values()
    assert tensor.extent is None
    assert tensor.array().tolist() == [56, 64]
    assert tensor.array().dtype == np.uint8


def test_stored_as_meets_several_tensors_in_every_branch(save):
    path = save({"a": {"x": np.ones(2, "i1"), "y": np.ones(2, "i1")}, "b": {"x": np.ones(2, "i1")}})
    found = opened(path, Selection(select="a", stored_as={"int8": "float8_e5m2"}))
    assert {tensor.spec.dtype for tensor in found.tensors.values()} == {"float8_e5m2"}
    assert found.notes[0].startswith("3 tensors stored as int8")


def test_stored_as_of_a_dtype_that_the_file_lacks_is_refused(save):
    text = refused(save(net()), Selection(stored_as={"int8": "float8_e5m2"}))
    assert "expected tensors stored as int8; found float32." in text


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("int8", "bfloat16"), "expected a dtype of 1 bytes, as int8 is; bfloat16 has 2"),
        (("int8", "float9"), "Unknown dtype 'float9'"),
        (("fp16", "float16"), "Unknown dtype 'fp16'"),
    ],
)
def test_stored_as_of_another_width_or_no_dtype_is_refused(pair, message):
    with pytest.raises(UsageError, match=message):
        Selection(stored_as=dict([pair]))


@pytest.mark.parametrize(
    "tree",
    [
        adam(),
        {"linear_0.w_0_moment1_0": np.ones(2), "linear_0.w_0_beta1_pow_acc_0": np.ones(1), "LR_Scheduler": {"last": 1}},
        {"linear_0.w_0_velocity_0": np.ones(2), "linear_0.b_0_velocity_0": np.ones(2)},
        {"optimizer": adam(), "epoch": 1},
    ],
)
def test_an_optimizer_s_state_is_recognised(save, tree):
    text = refused(save(tree, "a.pdopt"))
    assert "found what looks like an optimizer's state, such as" in text
    assert ".pdparams beside .pdopt" in text


def test_a_model_beside_a_larger_optimizer_is_not_one(save):
    assert "Try: --select model." in refused(save({"model": net(), "optimizer": adam()}))


def test_real_optimizers_are_recognised(paddle_files):
    assert "an optimizer's state" in refused(paddle_files.theirs / "adam.pdopt")


def test_a_real_wrapped_file_is_looked_into(torch_files):
    path = torch_files.theirs / "wrapped.pth"
    names = list(checkpoints.read(torch_files.theirs / "net.pth").tensors)
    found = opened(path, expected=names)
    assert list(found.tensors) == names
    assert "took 'state_dict', the only state dict in the file" in found.notes


@pytest.mark.parametrize("tree", [{}, {"state_dict": {}, "epoch": 1}])
def test_a_file_without_tensors_is_no_weights(save, tree):
    text = refused(save(tree))
    assert "found no tensor at all" in text
    assert ("only state_dict, epoch" in text) == bool(tree)
    assert opened(save(tree)).tensors == {}


def test_tensors_without_elements_are_tensors(save):
    path = save({"state_dict": {**net(), "none": np.ones((0, 3), "f4")}})
    assert opened(path, expected=EXPECTED).tensors["none"].array().shape == (0, 3)


def test_the_budget_reaches_the_reader(tmp_path):
    path = tmp_path / "a.pdparams"
    path.write_bytes(pickle.dumps({"w": np.ones(1000)}, protocol=2))
    with pytest.raises(CheckpointError, match="--max-memory 1GB"):
        opened(path, Selection(), Budget(100))
    assert opened(path, Selection(), Budget(8000)).tensors


def test_prefixes():
    assert shared_prefixes(["a.b.x", "a.b.y"]) == ["a.", "a.b."]
    assert shared_prefixes(["only"]) == shared_prefixes([]) == []
    assert shared_prefixes(["a/b.x"]) == ["a/", "a/b."]
    assert len(shared_prefixes(["." * 100_000])) == 8
    assert prefix_too_many(["m.n.fc.weight", "m.n.fc.bias"], EXPECTED) == "m.n."
    assert prefix_too_many(["m.fc.weight", "m.other", "m.third"], EXPECTED) == ""
    assert prefix_too_many(["m.fc.weight", "fc.bias"], EXPECTED) == ""
    assert prefix_missing(["weight", "bias"], EXPECTED) == "fc."
    assert strip_flag("module.") == "--strip-prefix 'module.'"
    assert strip_flag("it's.") == """--strip-prefix 'it'"'"'s.'"""


def test_weights_are_no_optimizer_s_state():
    assert not is_optimizer_state(["state.weight", "momentum.weight", "optimizer.bias", "layer.0.step_size"])
    assert not is_optimizer_state([])


def test_branches_in_words(save):
    found = checkpoints.read(save({"optimizer": adam(), "model": {"a": net()}}))
    assert told_branches(found) == [
        "optimizer (6 tensors, an optimizer's state)", "model (2 tensors)", "model.a (2 tensors)",
    ]  # fmt: skip
    assert crosses_a_branch(found, "model", "a.")
    assert crosses_a_branch(found, "", "model.a.")
    assert not crosses_a_branch(found, "model.a", "fc.")
