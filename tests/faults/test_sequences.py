"""Networks over token ids: recurrent layers, attention, norms, moved between frameworks; rightly, and with faults."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from planted import FRAMEWORKS, assert_different_at, inline
from sequences import SequenceSheet, respelt

from xframe.errors import PlanError, TableError
from xframe.mapping import load_table
from xframe.workflows.check import check
from xframe.workflows.convert import convert
from xframe.workflows.listing import tensor_rows
from xframe.workflows.summary import summary

PAIRS = list(itertools.permutations(FRAMEWORKS, 2))
RECURRENT = ("lstm", "rnn", "gru")


@pytest.fixture
def plant(port, tmp_path):
    """Port a SequenceSheet from one framework to another."""

    def run(sheet, source, target, **options):
        return port(sheet.write(tmp_path / "sequence.toml"), source, target, **options)

    return run


@pytest.fixture
def right(tmp_path):
    return SequenceSheet().write(tmp_path / "sequence.toml")


STACKED = Path(__file__).with_name("stacked.toml")
UPSCALED = Path(__file__).with_name("upscaled.toml")


def assert_confirmed(cause, result, says):
    """The first cause, by its name, and what its sentence has."""
    first = result.proof.divergence.causes[0]
    assert (first.cause, first.confirmed) == (cause, True)
    assert says in first.detail


# ── without a fault ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_equivalent(port, right, source, target):
    result = port(right, source, target)
    assert result.verdict == "equivalent"
    assert result.proof.float64.max_rel <= 1e-11
    folds = (result.proof.fold_rounding or 0) > 0
    assert folds == (target == "keras")  # the two biases of an LSTM, which no float32 holds as one


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_several_layers_and_both_directions(port, source, target):
    """And a map of one dimension, (N, C, L) or (N, L, C), behind a sequence, (N, T, D) everywhere."""
    result = port(STACKED, source, target)
    assert result.verdict == "equivalent"
    assert result.proof.float64.max_rel <= 1e-11


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_map_that_grows(port, source, target):
    result = port(UPSCALED, source, target)
    assert result.verdict == "equivalent"
    assert result.proof.float64.max_rel <= 1e-11


def test_the_key_s_bias_moves_no_output(port, right):
    """It adds the same to all scores of a query. torch keeps it in one tensor with the others, which do count."""
    assert port(right, "paddle", "torch").to_json()["tensors"]["unproven"] == ["attend.k_proj.bias"]
    assert port(right, "torch", "paddle").to_json()["tensors"]["unproven"] == []


@pytest.mark.parametrize(("source", "target"), [("torch", "paddle"), ("keras", "torch"), ("paddle", "keras")])
def test_there_and_back(port, digests, right, tmp_path, source, target):
    first = port(right, "keras", source, out=tmp_path / "first.npz").out  # so that no second bias is to be summed
    second = port(right, source, target, weights=first, out=tmp_path / "second.safetensors").out
    assert digests(port(right, target, source, weights=second, out=tmp_path / "third.npz").out) == digests(first)


@pytest.mark.parametrize(("source", "target", "ending"), [("paddle", "torch", "pth"), ("torch", "paddle", "pdparams")])
def test_a_conversion_is_the_port_without_its_proof(port, digests, right, tmp_path, source, target, ending):
    drawn = port(right, source, source, out=tmp_path / "drawn.npz").out
    ported = port(right, source, target, weights=drawn, out=tmp_path / f"ported.{ending}")
    converted = convert(str(right), source, target, drawn, tmp_path / f"converted.{ending}")
    assert digests(converted.out) == digests(ported.out)
    assert converted.to_json()["tensors"] == ported.plan.counts()


def test_a_built_model_has_what_the_tables_say(pool, right):
    for table in (right, STACKED, UPSCALED):
        found = check(str(table), pool=pool)
        assert found, found.problems
        assert found.built == FRAMEWORKS


def test_a_wrong_block_in_a_table_is_told_once(pool, tmp_path):
    sheet = SequenceSheet()
    sheet.rows["attend"]["sizes"]["key"] = 4
    found = check(str(sheet.write(tmp_path / "wrong.toml")), pool=pool)
    told = [str(problem) for problem in found.problems if "in_proj_weight" in str(problem)]
    assert len(told) == 1
    assert "has shape [18, 6]; the row states '(part[q k v] heads key) in'" in told[0]


def test_a_summary_counts_every_tensor_once(pool, right):
    found = summary(str(right), pool=pool)
    both = 36 + (4 + 1 + 3) * (2 * 36 + 2 * 6) + 4 * (36 + 6) + 2 * 6 + (36 + 6) + (30 + 5)
    assert {name: total.parameters for name, total in found.totals.items()} == {
        "paddle": both, "torch": both, "keras": both - (4 + 1) * 6,
    }  # fmt: skip
    assert found.totals["paddle"].tensors == found.totals["torch"].tensors + 2 * 2  # fused, and each once
    rows = {row.cells["torch"].name: row for row in found.rows}
    assert {name: rows[name].alike for name in rows} == {name: name not in ("lstm", "rnn") for name in rows}
    assert {cell.outputs for cell in rows["attend"].cells.values()} == {((7, 6),)}
    assert {cell.multiply_adds for cell in rows["mix"].cells.values()} == {7 * 36}
    assert {cell.multiply_adds for cell in rows["gru"].cells.values()} == {None}


def test_a_listing_says_which_block_and_which_name(right):
    table = load_table(str(right))
    rows = {row.target: row for row in tensor_rows(table, "torch", "paddle")}
    assert rows["attend.k_proj.weight"].source == "attend.in_proj_weight"
    assert rows["attend.k_proj.weight"].note == "(part[q k v] heads key) in -> in (heads key) at k"
    rows = {row.source: row for row in tensor_rows(table, "paddle", "keras")}
    assert rows["gru.0.cell.bias_ih"].note == "another name of gru.bias_ih_l0"
    assert rows["gru.bias_ih_l0"].note == "(gate[r z n] out) -> side[ih hh] (gate[z r n] out) at ih"
    assert rows["lstm.bias_hh_l0"].note.startswith("dropped where it holds 0, else added to bias_ih")
    assert (
        len(list(tensor_rows(table, "torch", "keras")))
        == len({entry.names["torch"].name for entry in table.entries}) + 2 * 2
    )  # the two blocks more of both fused tensors


# ── the same shapes, something else computed ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("source", "target"), [("torch", "keras"), ("keras", "paddle")])
def test_a_square_embedding_transposed(plant, source, target):
    sheet = SequenceSheet()
    respelt(sheet.kind("embed"), "weight", "keras", "vocabulary dim", "dim vocabulary")
    assert_different_at("embed", plant(sheet, source, target))


ORDERS = [" ".join(order) for order in itertools.permutations("rzn")]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("role", ["weight_ih", "weight_hh", "bias"])
def test_gates_of_a_gru_in_another_order(plant, role, order):
    sheet = SequenceSheet(frameworks=("torch", "keras"))
    respelt(sheet.kind("gru"), role, "keras", "z r n", order)
    result = plant(sheet, "torch", "keras")
    if order == "z r n":
        assert result.verdict == "equivalent"
    else:
        assert_different_at("gru", result)
        assert_confirmed("gate order", result, "the order z, r, n; the table has them as " + ", ".join(order.split()))


@pytest.mark.parametrize("order", ORDERS[1:])
def test_gates_of_a_gru_in_another_order_everywhere(plant, order):
    """A reader of the wrong documentation is consistent."""
    sheet = SequenceSheet(frameworks=("paddle", "torch"))
    kind = sheet.kind("gru")
    for role in ("weight_ih", "weight_hh", "bias"):
        respelt(kind, role, "paddle", "r z n", order)
    result = plant(sheet, "torch", "paddle")
    assert_different_at("gru", result)
    assert_confirmed("gate order", result, "r, z, n")


@pytest.mark.parametrize("order", ["i f o g", "f i g o", "i g f o", "o f g i"])
def test_gates_of_an_lstm_in_another_order(plant, order):
    sheet = SequenceSheet(frameworks=("paddle", "keras"))
    kind = sheet.kind("lstm")
    for role in ("weight_ih", "weight_hh", "bias_ih"):
        respelt(kind, role, "keras", "i f g o", order)
    assert_different_at("lstm", plant(sheet, "keras", "paddle"))


def test_biases_of_a_gru_exchanged(plant):
    """Only the new gate tells them apart: its second bias is behind the reset gate."""
    sheet = SequenceSheet(frameworks=("torch", "keras"))
    respelt(sheet.kind("gru"), "bias", "keras", "ih hh", "hh ih")
    assert_different_at("gru", plant(sheet, "torch", "keras"))


@pytest.mark.parametrize(("source", "target"), [("torch", "paddle"), ("paddle", "keras"), ("keras", "torch")])
@pytest.mark.parametrize("words", [("k", "q", "v"), ("q", "v", "k"), ("v", "q", "k")])
def test_blocks_of_an_attention_exchanged(plant, source, target, words):
    sheet = SequenceSheet()
    kind = sheet.kind("attend")
    long = {"q": "query", "k": "key", "v": "value"}
    short = " ".join(f"{block}={word}" for block, word in zip("qkv", words, strict=True))
    keras = " ".join(f"{block}={long[word]}" for block, word in zip("qkv", words, strict=True))
    for role in ("weight", "bias"):
        kind[role]["paddle"] = {f"{{part {short}}}_proj.{role}": kind[role]["paddle"].popitem()[1]}
        if "paddle" not in (source, target):
            kind[role]["keras"] = {
                f"{{part {keras}}}/{'kernel' if role == 'weight' else role}": kind[role]["keras"].popitem()[1]
            }
    result = plant(sheet, source, target)
    assert_different_at("attend", result)
    if target == "paddle" and words == (
        "k",
        "q",
        "v",
    ):  # the others' layers read several tensors: not run by themselves
        assert_confirmed("swapped tensors", result, "k_proj")


@pytest.mark.parametrize("layer", ["attend", "mix"])
def test_a_square_matrix_not_transposed(plant, layer):
    sheet = SequenceSheet()
    kind, role = sheet.kind(layer), "out_weight" if layer == "attend" else "weight"
    old, new = ("out (heads key)", "(heads key) out") if layer == "attend" else ("out in", "in out")
    respelt(kind, role, "torch", old, new)
    assert_different_at(layer, plant(sheet, "torch", "keras"))


def test_heads_in_another_number(plant):
    """Between paddle and torch they change no tensor; keras's shape says it."""
    sheet = SequenceSheet()
    sheet.rows["attend"]["sizes"]["heads"] = 3
    assert plant(sheet, "torch", "paddle").verdict == "equivalent"
    with pytest.raises(PlanError, match=r"attend/query/kernel: the source gives \[6, 3, 2\]"):
        plant(sheet, "torch", "keras")


@pytest.mark.parametrize("layer", ["lstm", "rnn"])
def test_a_second_bias_that_is_dropped(plant, tmp_path, layer):
    sheet = SequenceSheet()
    sheet.kind(layer)["bias_hh"]["fill"] = {"value": 0, "discard": True, "because": "wrongly"}
    result = plant(sheet, "torch", "keras", weights=drawn(plant, tmp_path / "drawn.npz"))
    assert_different_at(layer, result)


def drawn(plant, out):
    """Weights of torch in which no bias is zero."""
    return plant(SequenceSheet(frameworks=("torch",)), "torch", "torch", out=out).out


def test_a_second_bias_that_is_summed_twice(plant):
    """The way back, keras's one bias as both of the others', would be their double: one name for two tensors."""
    sheet = SequenceSheet()
    bias = sheet.kind("lstm")["bias_hh"]
    bias["keras"] = {"lstm_cell/bias": "(gate[i f g o] out)"}
    del bias["fill"]
    with pytest.raises(
        TableError, match=r"'lstm/lstm_cell/bias' is both 'bias_ih' and 'bias_hh' in the column 'keras'"
    ):
        plant(sheet, "keras", "torch")


@pytest.mark.parametrize(
    ("knobs", "layer"), [({"epsilon": 1e-3}, "norm"), ({"epsilon": 1.001e-5}, "norm"), ({"scale": 1.0001}, "attend")]
)
def test_the_same_weights_in_another_layer(plant, knobs, layer):
    assert_different_at(layer, plant(SequenceSheet(knobs=knobs, at="keras"), "torch", "keras"))
    assert_different_at(layer, plant(SequenceSheet(knobs=knobs, at="paddle"), "keras", "paddle"))


def test_directions_exchanged(port, tmp_path):
    """Neither direction is a layer that can be looked at alone: what reads them shows it."""
    text = STACKED.read_text(encoding="utf-8")
    for ways in (("forward_lstm", "-"), ("backward_lstm", "forward_lstm"), ("-/", "backward_lstm/")):
        assert ways[0] in text
        text = text.replace(*ways)
    path = tmp_path / "exchanged.toml"
    path.write_text(text)
    assert_different_at("conv", port(path, "torch", "keras"))


def test_a_transposed_convolution_turned_over(port, tmp_path):
    text = UPSCALED.read_text(encoding="utf-8")
    kind = SequenceSheet(rows={"grow": {"kind": "conv_transpose2d"}}).kind("grow")
    respelt(kind, "weight", "keras", "kh kw", "kw kh")
    path = tmp_path / "turned.toml"
    path.write_text(text.replace('"conv_transpose2d"', '"turned"') + f"\n[kinds]\nturned = {inline(kind)}\n")
    assert_different_at(("0", "grow"), port(path, "torch", "keras"))


def test_other_groups(port, tmp_path):
    text, path = UPSCALED.read_text(encoding="utf-8"), tmp_path / "grouped.toml"
    path.write_text(text.replace('keras:upscaled"', 'keras:upscaled", with = { groups = 4 }'))
    assert_different_at(("2", "norm"), port(path, "torch", "keras"))


# ── two names of one tensor ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("layer", RECURRENT)
def test_two_names_that_differ_are_refused(plant, tmp_path, layer):
    tensors = dict(np.load(plant(SequenceSheet(), "torch", "paddle").out))
    tensors[f"{layer}.0.cell.weight_hh"] = np.roll(tensors[f"{layer}.weight_hh_l0"], 1, 0)
    np.savez(tmp_path / "torn.npz", **tensors)
    with pytest.raises(PlanError, match=rf"{layer}.0.cell.weight_hh: it is another name of '{layer}.weight_hh_l0'"):
        plant(SequenceSheet(), "paddle", "torch", weights=tmp_path / "torn.npz")
