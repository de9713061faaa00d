"""Plans: complete and exact, or refused with every problem named. No framework, no file."""

import numpy as np
import pytest

from xframe.errors import PlanError
from xframe.mapping import load_table
from xframe.planning import computed, make_plan, suggest
from xframe.tensors import TensorSpec


@pytest.fixture(scope="module")
def table():
    return load_table("resnet18")


def specs(table, implementation, *, without=(), dtype="float32"):
    entries = [entry for entry in table.entries if implementation in entry.names]
    found = {}
    for entry in entries:
        name = entry.names[implementation].name
        if name not in without:
            found[name] = TensorSpec(name, entry.shape(implementation), entry.tensor.dtype or dtype)
    return found


def zeros(held):
    return lambda name: np.zeros(held[name].shape, held[name].dtype)


def plan(table, source, target, held, wanted=None, values=None, **options):
    return make_plan(table, source, target, held, values or zeros(held), wanted=wanted, **options)


def refusal(*args, **options):
    with pytest.raises(PlanError) as caught:
        plan(*args, **options)
    return caught.value.problems


def kinds(problems):
    return sorted((problem.kind, problem.tensor) for problem in problems)


def test_every_pair_of_columns_plans_completely(table):
    for source in table.implementations:
        for target in table.implementations:
            held, wanted = specs(table, source), specs(table, target)
            found = plan(table, source, target, held, wanted)
            assert [step.target.name for step in found.steps] == list(wanted)
            assert {move.source.name for move in found.moves} | {d.source.name for d in found.dropped} == set(held)


def test_counts_of_paddle_to_torch(table):
    found = plan(table, "paddle", "torch", specs(table, "paddle"), specs(table, "torch"))
    assert (len(found.moves), len(found.filled), len(found.dropped)) == (102, 20, 0)


def test_a_missing_tensor_is_named_on_both_sides(table):
    held = specs(table, "paddle", without=["layer3.0.bn1._mean"])
    (problem,) = refusal(table, "paddle", "torch", held, specs(table, "torch"))
    assert (problem.kind, problem.tensor) == ("missing", "layer3.0.bn1.running_mean")
    assert "layer3.0.bn1._mean" in problem.detail


def test_a_renamed_tensor_is_missing_and_unused_and_each_points_to_the_other(table):
    held = specs(table, "paddle", without=["layer3.0.conv1.weight"])
    held["layer3.0.conv_1.weight"] = TensorSpec("layer3.0.conv_1.weight", (256, 128, 3, 3), "float32")
    missing, unused = refusal(table, "paddle", "torch", held, specs(table, "torch"))
    assert (missing.kind, missing.tensor) == ("missing", "layer3.0.conv1.weight")
    assert missing.suggestion == "did you mean 'layer3.0.conv_1.weight'?"
    assert (unused.kind, unused.tensor) == ("unused", "layer3.0.conv_1.weight")
    assert unused.suggestion == "did you mean 'layer3.0.conv1.weight'?"


def test_a_suggestion_must_have_the_right_size(table):
    held = specs(table, "paddle", without=["layer3.0.conv1.weight"])
    held["layer3.0.conv1.weigth"] = TensorSpec("layer3.0.conv1.weigth", (1, 1), "float32")
    missing, _ = refusal(table, "paddle", "torch", held, specs(table, "torch"))
    assert missing.suggestion == ""


def test_an_extra_tensor_of_the_target_is_missing(table):
    wanted = {**specs(table, "torch"), "extra.weight": TensorSpec("extra.weight", (3,), "float32")}
    (problem,) = refusal(table, "paddle", "torch", specs(table, "paddle"), wanted)
    assert (problem.kind, problem.tensor) == ("missing", "extra.weight")


def test_another_number_of_classes_is_a_shape_and_tells_of_the_option(table):
    held = {**specs(table, "paddle"), "fc.weight": TensorSpec("fc.weight", (512, 10), "float32")}
    (problem,) = refusal(table, "paddle", "torch", held)
    assert (problem.kind, problem.tensor) == ("shape", "fc.weight")
    assert "should be 1000, found 10" in problem.detail
    assert "num_classes" in problem.suggestion


def test_a_built_target_of_another_shape_is_refused(table):
    """``fc.out_features = 10`` after construction: the table and the built model disagree."""
    wanted = {**specs(table, "torch"), "fc.weight": TensorSpec("fc.weight", (10, 512), "float32")}
    (problem,) = refusal(table, "paddle", "torch", specs(table, "paddle"), wanted)
    assert (problem.kind, problem.tensor) == ("shape", "fc.weight")
    assert "[1000, 512]" in problem.detail
    assert "[10, 512]" in problem.detail


def test_equal_element_counts_are_no_excuse(table):
    held = {**specs(table, "paddle"), "fc.weight": TensorSpec("fc.weight", (1000, 512), "float32")}
    (problem,) = refusal(table, "paddle", "torch", held)
    assert problem.kind == "shape"


def test_another_dtype_is_refused_until_it_is_asked_for(table):
    held, wanted = specs(table, "paddle", dtype="float16"), specs(table, "torch")
    problems = refusal(table, "paddle", "torch", held, wanted)
    assert {problem.kind for problem in problems} == {"dtype"}
    assert len(problems) == 102
    assert problems[0].suggestion == "--dtype float32 converts it, --dtype float16 keeps it"
    assert len(plan(table, "paddle", "torch", held, wanted, dtype="float32").moves) == 102


def test_all_problems_come_at_once(table):
    held = specs(table, "paddle", without=["bn1.weight", "bn1.bias"])
    held["fc.weight"] = TensorSpec("fc.weight", (512, 10), "float32")
    held["epoch"] = TensorSpec("epoch", (), "int64")
    found = kinds(refusal(table, "paddle", "torch", held, specs(table, "torch")))
    assert found == [("missing", "bn1.bias"), ("missing", "bn1.weight"), ("shape", "fc.weight"), ("unused", "epoch")]


def test_counters_that_carry_nothing_may_be_absent(table):
    counters = [name for name in specs(table, "torch") if name.endswith("num_batches_tracked")]
    held = specs(table, "torch", without=counters)
    found = plan(table, "torch", "paddle", held, specs(table, "paddle"))
    assert len(found.moves) == 102
    back = plan(table, "torch", "torch", held, specs(table, "torch"))
    assert len(back.filled) == 20


def test_a_bias_at_its_fill_is_dropped(table):
    held = specs(table, "paddle/custom")
    found = plan(table, "paddle/custom", "torch", held, specs(table, "torch"))
    assert [drop.source.name for drop in found.dropped] == ["net.0.0.bias"]
    assert not found.dropped[0].folded


def test_a_bias_that_holds_more_is_folded_into_the_running_mean(table):
    held = specs(table, "paddle/custom")
    values = {
        name: np.full(spec.shape, 2.0 if name == "net.0.0.bias" else 0.5, "float32") for name, spec in held.items()
    }
    found = plan(table, "paddle/custom", "torch", held, specs(table, "torch"), values=values.__getitem__)
    (drop,) = found.dropped
    assert drop.folded
    arrays = {step.target.name: computed(step, values.__getitem__) for step in found.steps}
    assert np.array_equal(arrays["bn1.running_mean"], np.full(64, 0.5 - 2.0, "float32"))
    assert np.array_equal(arrays["bn1.running_var"], np.full(64, 0.5, "float32"))


def test_a_fold_without_a_mean_to_take_it_is_refused(table):
    held = specs(table, "paddle/custom", without=["net.0.1._mean"])
    values = {name: np.ones(spec.shape, "float32") for name, spec in held.items()}
    problems = refusal(table, "paddle/custom", "torch", held, specs(table, "torch"), values=values.__getitem__)
    assert ("drop", "net.0.0.bias") in kinds(problems)


def test_a_foreign_file_is_told_in_one_sentence(table):
    held = specs(load_table("lenet5_maxavg"), "torch")
    with pytest.raises(PlanError) as caught:
        plan(table, "paddle", "torch", held)
    message = str(caught.value)
    assert "\n" not in message
    assert "names of lenet5_maxavg (paddle, paddle/custom, torch)" in message
    assert len(caught.value.problems) > 100


def test_the_wrong_column_is_told(table):
    with pytest.raises(PlanError, match=r"names of resnet18 \(torch\)"):
        plan(table, "paddle", "keras", specs(table, "torch"))


def test_the_wrong_column_is_told_by_its_shapes_where_the_names_are_alike():
    lenet = load_table("lenet5_maxavg")
    with pytest.raises(
        PlanError, match=r"found names and shapes that torch has, as 'linear6.weight' .* Try: the source torch"
    ) as caught:
        plan(lenet, "paddle", "torch", specs(lenet, "torch"))
    assert kinds(caught.value.problems) == [("shape", "linear6.weight"), ("shape", "linear7.weight")]


@pytest.mark.parametrize("damage", [{"conv1.bias": (7,)}, {"more": (1,)}, {"linear7.weight": None}])
def test_shapes_of_no_column_are_told_one_by_one(damage):
    lenet = load_table("lenet5_maxavg")
    held = specs(lenet, "torch", without=[name for name, shape in damage.items() if shape is None])
    held |= {name: TensorSpec(name, shape, "float32") for name, shape in damage.items() if shape}
    with pytest.raises(PlanError, match="not as the table says"):
        plan(lenet, "paddle", "torch", held)


def test_the_source_s_own_shapes_are_nobody_elses():
    """What does not fit is the target that was built, with another number of classes."""
    lenet = load_table("lenet5_maxavg")
    wanted = specs(lenet, "torch") | {"linear7.weight": TensorSpec("linear7.weight", (3, 84), "float32")}
    for source in ("paddle", "torch"):
        with pytest.raises(PlanError, match="not as the table says"):
            plan(lenet, source, "torch", specs(lenet, source), wanted)


@pytest.mark.parametrize("count", [200, 50_000])
def test_names_without_end_are_not_all_compared(table, monkeypatch, count):
    """Held against each other, the names of a strange file took minutes before it was refused."""
    compared = []
    monkeypatch.setattr(suggest, "nearest", lambda _name, others: compared.append(len(others)) or "")
    held = {name: TensorSpec(name, (64,), "float32") for name in (f"a.{number}" for number in range(count))}
    problems = refusal(table, "paddle", "torch", held)
    assert len(problems) == 102 + count
    assert sum(compared) <= 20_000


def test_an_empty_state_dict_is_refused(table):
    with pytest.raises(PlanError, match="found 0"):
        plan(table, "paddle", "torch", {})


def test_a_linear_weight_is_transposed_and_a_convolution_is_not(table):
    held = specs(table, "paddle")
    values = {name: np.random.default_rng(0).random(spec.shape, "float32") for name, spec in held.items()}
    arrays = {
        step.target.name: computed(step, values.__getitem__) for step in plan(table, "paddle", "torch", held).steps
    }
    assert np.array_equal(arrays["fc.weight"], values["fc.weight"].T)
    assert np.array_equal(arrays["conv1.weight"], values["conv1.weight"])
    to_keras = plan(table, "paddle", "keras", held)
    arrays = {step.target.name: computed(step, values.__getitem__) for step in to_keras.steps}
    assert np.array_equal(arrays["conv1/kernel"], values["conv1.weight"].transpose(2, 3, 1, 0))
