"""`infer` on networks that position, shape or names would mislead: it is right, or it says that it doubts."""

import numpy as np
import pytest

from xframe.errors import ModelError, PlanError
from xframe.mapping import load_table
from xframe.workflows.infer import InferOptions
from xframe.workflows.infer import infer as carry_out

FLAT, MAP, STEPS = (6,), (3, 8, 8), (3, 6, 1)


@pytest.fixture
def infer(pool, tmp_path):
    """Of two classes of nets.inferred, the second as `torch/other`; their arguments follow a colon."""

    def run(source, target, input_=FLAT, *, one=None, other=None, **options):
        out = tmp_path / "inferred.toml"
        sides = f"torch=nets.inferred:{source}", f"torch/other=nets.inferred:{target}"
        found = {"torch": one or {}, "torch/other": other or {}}
        return carry_out(*sides, InferOptions(input=input_, out=out, set_one=found, **options), pool=pool)

    return run


def pairs(result):
    return {finding.pairing.source.cell: finding.pairing.target.cell for finding in result.findings}


def test_branches_in_another_order(infer):
    found = infer("Branches", "BranchesShuffled", MAP)
    assert (found.verdict, found.exit_code) == ("inferred", 0)
    assert pairs(found) == {
        "near.0": "c1", "near.2": "c2", "far.0": "b1", "far.2": "b2", "pooled.0": "a1", "pooled.2": "a2", "head": "out",
    }  # fmt: skip
    assert bool(found.proof)


def test_layers_that_read_the_same_and_look_the_same(infer):
    found = infer("Attention", "AttentionShuffled", (6, 8), axes="sequence")
    assert found.verdict == "inferred"
    assert pairs(found) == {"query": "lin2", "key": "lin1", "value": "lin0", "out": "lin3"}


def test_what_the_numbers_cannot_tell_apart_is_said(infer):
    found = infer("Sum", "Sum")
    assert (found.verdict, found.exit_code) == ("doubtful", 1)
    assert [finding.doubt for finding in found.doubtful] == [
        "exchanged with two everything gives the same", "exchanged with one everything gives the same",
    ]  # fmt: skip
    assert found.text.count("# doubtful: ") == 2
    assert pairs(found) == {"one": "one", "two": "two"}  # by name


def test_convolutions_that_the_other_writes_as_something_else(infer):
    found = infer("Pointwise", "PointwiseOtherwise", STEPS)
    assert found.verdict == "inferred"
    assert pairs(found) == {"along": "conv", "mix": "linear", "head": "last"}
    kinds = {finding.pairing.source.cell: finding.pairing.kind.name for finding in found.findings}
    assert kinds == {
        "along": "conv1d_kx1_convolution", "mix": "linear_1x1_convolution",
        "head": "linear_after_flatten_convolution_large_its_map",
    }  # fmt: skip


def test_a_layer_that_nothing_calls_is_doubtful(infer):
    found = infer("Spare", "SpareRenamed")
    assert found.verdict == "doubtful"
    assert [(finding.pairing.source.cell, finding.pairing.target.cell) for finding in found.doubtful] == [
        ("spare", "a")
    ]
    assert "nothing that runs depends on it" in found.doubtful[0].doubt
    assert bool(found.proof)


def test_a_batch_norm_on_one_side_only(infer):
    found = infer("Plain", "Plain", MAP, one={"norm": True})
    assert (found.verdict, found.exit_code) == ("incomplete", 1)
    assert [part.cell for part in found.source_alone] == ["norm"]
    assert found.target_alone == ()
    assert found.proof is None
    assert "# No counterpart was found for these layers of torch:\n#   norm  BatchNorm2d: weight 4" in found.text


def test_a_bias_on_one_side_only(infer):
    found = infer("Plain", "Plain", MAP, other={"bias": False})
    assert found.verdict == "doubtful"
    assert [finding.doubt for finding in found.doubtful] == ["only torch has a bias"]
    (layer,) = [layer for layer in load_table(str(found.out)).layers if layer.only]
    assert layer.only["bias"][0] == {"torch"}


def test_another_epsilon_is_different_with_its_place(infer):
    found = infer("Plain", "Plain", MAP, one={"norm": True}, other={"norm": True, "epsilon": 1e-3})
    assert (found.verdict, found.exit_code) == ("doubtful", 1)
    (doubtful,) = found.doubtful
    assert (doubtful.pairing.source.cell, doubtful.pairing.target.cell) == ("norm", "norm")
    assert pairs(found) == {"conv1": "conv1", "norm": "norm", "conv2": "conv2"}
    assert found.proof.first_divergence.causes[0].cause == "epsilon"


def test_blocks_in_a_plain_list_are_said_to_be_there(infer):
    found = infer("Hidden", "Shown")
    assert found.verdict == "incomplete"
    assert [part.cell for part in found.target_alone] == ["rest.0"]
    assert any("rest[0]" in note and "not registered" in note for note in found.notes)


def test_a_layer_that_is_called_several_times(infer):
    found = infer("Repeated", "RepeatedRenamed")
    assert found.verdict == "inferred"
    assert pairs(found) == {"once": "layers.0", "thrice": "layers.1"}
    assert "all 3 calls" in next(f.evidence for f in found.findings if f.pairing.source.cell == "thrice")


def test_tensors_of_no_known_kind(infer):
    """Which vector is which, and that the matrix is turned, only numbers tell."""
    found = infer("Owning", "Owning", other={"transposed": True})
    assert found.verdict == "inferred"
    tensors = load_table(str(found.out)).layers[0].kind.tensors
    forms = {
        tensor.forms["torch"].name: (tensor.forms["torch/other"].name, tensor.forms["torch/other"].pattern.text)
        for tensor in tensors
    }
    assert forms == {
        "gain": ("beta", "axis0"), "shift": ("alpha", "axis0"), "mixing": ("matrix", "axis1 axis0"),
    }  # fmt: skip


def test_one_tensor_under_two_names(infer):
    found = infer("Tied", "TiedRenamed", (7,), tokens=11)
    assert found.verdict == "inferred"
    assert pairs(found) == {"embedding, head": "words", "mix": "dense"}


@pytest.mark.parametrize("order", ["qkv", "vqk"])
@pytest.mark.parametrize("turned", [False, True])
def test_three_layers_that_the_other_has_as_one(infer, order, turned):
    sides = [("Fused", {"order": order}), ("Unfused", {})][:: -1 if turned else 1]
    found = infer(sides[0][0], sides[1][0], (6, 8), axes="sequence", one=sides[0][1], other=sides[1][1])
    assert found.verdict == "inferred"
    assert set(map(frozenset, pairs(found).items())) == {
        frozenset({"first"}), frozenset({"out"}), frozenset({"qkv", "{tensor}"}),
    }  # fmt: skip
    words = {"q": "query", "k": "key", "v": "value"}
    assert " ".join(f"part{index + 1}={words[letter]}" for index, letter in enumerate(order)) in found.text


def test_three_layers_as_one_head_by_head(infer):
    found = infer("Fused", "Unfused", (6, 8), axes="sequence", one={"by_head": True})
    assert found.verdict == "inferred"
    (row,) = [layer for layer in load_table(str(found.out)).layers if "fused" in layer.kind.name]
    assert dict(row.sizes) == {"heads": 2, "key": 4}


def test_networks_that_are_not_the_same(infer):
    found = infer("Plain", "Plain", MAP, other={"classes": 7})
    assert found.verdict == "incomplete"
    assert [part.cell for part in found.source_alone] == ["conv2"]
    assert [part.cell for part in found.target_alone] == ["conv2"]


@pytest.mark.parametrize("other", ["Stack", "StackCopied"])
def test_copies_that_begin_with_the_same_values_are_layers_of_their_own(infer, other):
    found = infer("Stack", "Stack", one={"copied": True}, other={"copied": other == "StackCopied"})
    assert found.verdict == "inferred"
    assert pairs(found) == {
        name: name for name in (*(f"blocks.{n}.{own}" for n in "01" for own in ("mix", "norm")), "head")
    }


def test_tied_vectors_of_ones_are_one_tensor(infer):
    """What two names of one tensor hold tells nothing before it is trained: a norm's weight is all ones."""
    found = infer("Stack", "Stack", one={"tied": True}, other={"tied": True})
    assert found.verdict == "inferred"
    assert pairs(found)["blocks.0.norm, blocks.1.norm"] == "blocks.0.norm, blocks.1.norm"


@pytest.mark.parametrize("turned", [False, True])
def test_one_layer_that_is_several_copies_on_the_other_side(infer, port, turned):
    """The row names them all: they are set together, and taken as a source only while they hold the same bits."""
    names = ["StackShared", "Stack"][:: -1 if turned else 1]
    found = infer(*names)
    assert found.verdict == "inferred"
    cells = {"block.mix": "blocks.0.mix, blocks.1.mix", "block.norm": "blocks.0.norm, blocks.1.norm", "last": "head"}
    assert pairs(found) == ({other: one for one, other in cells.items()} if turned else cells)
    assert "wants the same bits in all of them" in found.notes[-1]
    one, other = ("torch/other", "torch") if turned else ("torch", "torch/other")
    held = port(found.out, one, other).out
    weights = dict(np.load(held))
    assert np.array_equal(weights["blocks.0.mix.weight"], weights["blocks.1.mix.weight"])
    apart = held.with_name("apart.npz")
    np.savez(apart, **{**weights, "blocks.1.mix.weight": weights["blocks.1.mix.weight"] + 1})
    with pytest.raises(PlanError, match="blocks.1.mix.weight"):
        port(found.out, other, one, weights=apart)


def test_two_towers_with_the_same_layers_and_with_copies_of_them(infer):
    found = infer("Towers", "Towers", (12,), other={"copied": True})
    assert found.verdict == "inferred"
    assert pairs(found) == {
        "towers.0.0": "towers.0.0, towers.1.0", "towers.0.2": "towers.0.2, towers.1.2", "head": "head",
    }  # fmt: skip


def test_as_many_layers_that_are_no_copies_are_not_taken_for_such(infer):
    """As many calls of layers as large, with another one called twice."""
    found = infer("Repeated", "Four")
    assert found.verdict != "inferred"
    assert found.exit_code == 1


def test_parameters_of_the_model_itself(infer):
    """Two of three have one shape, and stand the other way round; only what comes out tells."""
    found = infer("Rooted", "RootedRenamed", (5, 6), axes="sequence")
    assert found.verdict == "inferred"
    table = load_table(str(found.out))
    names = {entry.names["torch"].name: entry.names["torch/other"].name for entry in table.entries}
    assert names == {"token": "b", "mask": "a", "position": "c", "head.weight": "fc.weight", "head.bias": "fc.bias"}


def test_a_model_that_reads_two_inputs_is_to_be_wrapped(infer):
    with pytest.raises(ModelError, match="missing 1 required positional argument: 'y'. xframe feeds a model one input"):
        infer("TwoInputs", "TwoInputs")


@pytest.mark.parametrize("activation", ["relu", "gelu", "elu", "hardswish"])
def test_layers_that_do_their_activation_themselves(infer, activation):
    found = infer("Acting", "Acted", one={"activation": activation}, other={"activation": activation})
    assert found.verdict == "inferred"
    assert pairs(found) == {"a": "layers.2", "b": "layers.0", "c": "layers.1"}
    assert [layer.layer_name("torch") for layer in load_table(str(found.out)).layers] == ["", "", "c"]


def test_another_activation_within_a_layer_is_never_certain(infer):
    found = infer("Acting", "Acted", one={"activation": "gelu"}, other={"activation": "elu"})
    assert (found.verdict, found.exit_code) == ("doubtful", 1)
    assert "reading the same, the two do not give the same" in found.doubtful[0].doubt
    assert not found.proof


@pytest.mark.parametrize(
    ("first", "second", "third", "asked"),
    [
        ("Fused", "Unfused", "Unfused", {"input_": (6, 8), "axes": "sequence"}),
        ("Owning", "Owning", "Owning", {"one": {"transposed": True}}),
        ("Rooted", "RootedRenamed", "Rooted", {"input_": (5, 6), "axes": "sequence"}),
        ("StackShared", "Stack", "Stack", {}),
    ],
)
def test_a_third_column_of_a_table_with_kinds_of_its_own(infer, pool, first, second, third, asked):
    """The kind that the table states gets the new column's names where it stands."""
    assert infer(first, second, **asked).verdict == "inferred"
    table = infer(first, second, **asked).out
    before = table.read_text()
    out = table.with_name("third.toml")
    found = carry_out(str(table), f"torch/third=nets.inferred:{third}", InferOptions(out=out), pool=pool)
    assert found.verdict == "inferred"
    assert bool(found.proof)
    lines = iter(out.read_text().splitlines())
    assert all(line in lines for line in before.splitlines())  # each, in its order


def test_layers_that_the_table_has_as_several_rows_are_said(infer, pool):
    """Queries, keys and values have a row each; the new column has them as one, which no row can say."""
    table = infer("Unfused", "Unfused", (6, 8), axes="sequence").out
    out = table.with_name("third.toml")
    found = carry_out(str(table), "torch/third=nets.inferred:Fused", InferOptions(out=out), pool=pool)
    assert found.verdict == "doubtful"
    assert "has no one row for query, key, value: write it by hand" in found.doubtful[0].doubt
    assert found.proof is None
