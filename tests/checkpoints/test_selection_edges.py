"""What is taken, offered and refused at the edges: half of the names, branches in branches, names of an optimizer."""

import pickle

import numpy as np
import pytest
from test_selection import EXPECTED, net, refused

from xframe.checkpoints import Selection, opened
from xframe.checkpoints.prefixes import is_optimizer_state


@pytest.fixture
def save(tmp_path):
    """Saves a nest of dicts and arrays as ``paddle.save`` does."""

    def save(tree):
        (tmp_path / "a.pdparams").write_bytes(pickle.dumps(tree, protocol=4))
        return tmp_path / "a.pdparams"

    return save


def ones(*names):
    return {name: np.ones(1) for name in names}


def test_the_only_state_dict_is_taken_where_its_names_fit_although_it_has_branches(save):
    path = save({"state_dict": {"fc": ones("weight", "bias"), "head": ones("weight")}, "epoch": 3})
    found = opened(path, expected=EXPECTED)
    assert list(found.tensors) == [*EXPECTED, "head.weight"]
    assert found.notes[0] == "took 'state_dict', the only state dict in the file"


def test_the_innermost_is_taken_where_no_name_fits(save):
    found = opened(save({"checkpoint": {"model": net("other."), "lr": 1}}), expected=EXPECTED)
    assert list(found.tensors) == ["other.fc.weight", "other.fc.bias"]
    assert found.notes[0] == "took 'checkpoint.model', the only state dict in the file"


def test_a_branch_with_half_of_the_names_is_not_offered(save):
    text = refused(save({"model": ones("fc.weight", "other"), "ema": ones("fc.bias", "fc.weight")}))
    assert text.endswith("Try: --select ema.")


def test_a_prefix_that_is_a_branch_is_offered_as_one(save):
    text = refused(save({"model": {"module": net()}, "ema": ones("x")}))
    assert text.endswith("Try: --select model.module.")


def test_a_prefix_that_was_a_branch_leaves_none(save):
    path = save({"module": net(), "epoch": 3})
    assert opened(path).branches == {"module": 2}
    assert opened(path, Selection(strip_prefix="module.")).branches == {}


def test_weights_that_are_called_like_an_optimizer_s_state_are_taken_where_they_are_expected(save):
    tree = ones("net.momentum_buffer", "net.exp_avg")
    assert list(opened(save(tree), expected=list(tree)).tensors) == list(tree)
    assert "what looks like an optimizer's state" in refused(save(tree))


@pytest.mark.parametrize(("count", "more"), [(8, ""), (9, " and 1 more"), (12, " and 4 more")])
def test_what_is_left_out_is_told_in_a_line(save, count, more):
    found = opened(save({**net(), **{f"n{index}": index for index in range(count)}}), expected=EXPECTED)
    assert found.notes == (f"left out, not tensors: {', '.join(f'n{index}' for index in range(8))}{more}",)


@pytest.mark.parametrize("names", [["a.exp_avg"], ["a.exp_avg", "b.exp_avg_sq", "c"], ["state.0.step", "state.1.step"]])
def test_most_of_the_names_make_an_optimizer_s_state(names):
    assert is_optimizer_state(names)


@pytest.mark.parametrize(
    "names",
    [
        ["a.exp_avg", "b"],
        ["a.exp_avg", "b.exp_avg", "c", "d", "e"],
        ["state.0.conv.weight", "state.1.conv.weight"],
        ["my_optimizer/vars", "optimizer.weight"],
    ],
)
def test_half_of_them_or_names_that_go_on_do_not(names):
    assert not is_optimizer_state(names)


@pytest.mark.parametrize("top", ["optimizer/", "_optimizer_state/optimizer/"])
def test_keras_calls_an_optimizer_s_state_by_its_path(top):
    assert is_optimizer_state([f"{top}vars/0", f"{top}adam/dense/kernel/momentum"])
