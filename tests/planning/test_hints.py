"""What a refused plan says to try: options, dtypes, prefixes, another model."""

from dataclasses import replace

import numpy as np
import pytest

from xframe.errors import PlanError
from xframe.mapping import load_table
from xframe.planning import Owner, make_plan
from xframe.planning.catalogue import owner_of
from xframe.planning.options import OptionHints
from xframe.tensors import TensorSpec


@pytest.fixture(scope="module")
def resnet():
    return load_table("resnet18")


@pytest.fixture(scope="module")
def lenet():
    return load_table("lenet5_maxavg")


def specs(table, column, dtype="float32", prefix=""):
    entries = [entry for entry in table.entries if column in entry.names]
    names = [prefix + entry.names[column].name for entry in entries]
    return {
        name: TensorSpec(name, entry.shape(column), entry.tensor.dtype or dtype)
        for name, entry in zip(names, entries, strict=True)
    }


def refusal(table, held, wanted=None, column="torch"):
    with pytest.raises(PlanError) as caught:
        make_plan(table, column, "paddle", held, lambda name: np.zeros(held[name].shape), wanted=wanted)
    return caught.value


def hints(error):
    return {problem.tensor: problem.suggestion for problem in error.problems}


def test_another_number_of_classes_is_told_with_the_number(resnet):
    held = specs(resnet, "torch") | {
        "fc.weight": TensorSpec("fc.weight", (10, 512), "float32"),
        "fc.bias": TensorSpec("fc.bias", (10,), "float32"),
    }
    said = hints(refusal(resnet, held))
    assert set(said) == {"fc.weight", "fc.bias"}
    assert set(said.values()) == {"--set num_classes=10 if the model was built so"}


def test_each_tensor_is_told_of_its_own_option(resnet):
    held = specs(resnet, "torch") | {"conv1.weight": TensorSpec("conv1.weight", (64, 1, 7, 7), "float32")}
    assert hints(refusal(resnet, held)) == {"conv1.weight": "--set in_channels=1 if the model was built so"}


@pytest.mark.parametrize("shape", [(1000, 256), (512, 1000), (10,)])
def test_a_shape_that_no_option_explains_is_told_of_all(resnet, shape):
    held = specs(resnet, "torch") | {"fc.weight": TensorSpec("fc.weight", shape, "float32")}
    said = hints(refusal(resnet, held))["fc.weight"]
    assert (
        said == "if the model was built with other options, say so with --set: in_channels, num_classes, use_residual"
    )


def test_a_table_without_options_has_no_hint(lenet):
    assert OptionHints(lenet, "torch").hint(lenet.entries[0], (1, 2, 3, 4)) == ""


def test_options_of_a_table_that_no_longer_loads_are_told_in_general(resnet, tmp_path):
    (tmp_path / "gone.toml").write_text("broken")
    entry = resnet.entries[-1]
    assert entry.names["torch"].name == "fc.bias"
    for file in (tmp_path / "gone.toml", tmp_path / "none.toml"):
        assert "say so with --set" in OptionHints(replace(resnet, file=file), "torch").hint(entry, (10,))


@pytest.mark.parametrize(
    ("dtype", "attempt"),
    [
        ("float16", "Try: --dtype float32 converts it, --dtype float16 keeps it."),
        ("bfloat16", "Try: --dtype float32 converts it, --dtype bfloat16 keeps it."),
        ("int8", "Try: --stored-as int8=DTYPE if its bits mean a floating-point dtype as wide."),
        ("uint32", "Try: --stored-as uint32=float32 if that is what its bits mean."),
    ],
)
def test_a_whole_file_of_another_dtype_is_told_in_one_sentence(lenet, dtype, attempt):
    error = refusal(lenet, specs(lenet, "torch", dtype), specs(lenet, "paddle"))
    assert "\n" not in str(error)
    assert f"10 tensors such as 'conv1.weight' are of another dtype: the source gives {dtype}, the built" in str(error)
    assert str(error).endswith(attempt)
    assert len(error.problems) == 10


def test_a_few_tensors_of_another_dtype_are_named_each(lenet):
    held = specs(lenet, "torch") | {"conv1.bias": TensorSpec("conv1.bias", (6,), "int64")}
    error = refusal(lenet, held, specs(lenet, "paddle"))
    assert str(error).endswith("conv1.bias: the source gives int64, the built target declares float32")


def test_dtypes_and_other_problems_are_all_listed(lenet):
    held = specs(lenet, "torch", "float16") | {"more": TensorSpec("more", (), "int64")}
    assert len(str(refusal(lenet, held, specs(lenet, "paddle"))).splitlines()) == 12


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.backbone."])
def test_a_prefix_too_many_is_told_with_its_option(lenet, prefix):
    error = refusal(lenet, specs(lenet, "torch", prefix=prefix))
    assert str(error).endswith(f"All have the prefix '{prefix}'. Try: --strip-prefix '{prefix}'.")
    assert "\n" not in str(error)


def test_most_names_behind_a_prefix_are_enough(lenet):
    held = specs(lenet, "torch", prefix="module.")
    held.pop("module.conv1.bias")
    held["module.head.weight"] = TensorSpec("module.head.weight", (3,), "float32")
    assert "--strip-prefix 'module.'" in str(refusal(lenet, held))


def test_a_prefix_that_one_name_lacks_is_not_offered(lenet):
    held = specs(lenet, "torch", prefix="module.") | {"n_averaged": TensorSpec("n_averaged", (), "int64")}
    assert "--strip-prefix" not in str(refusal(lenet, held))


def test_a_prefix_that_the_file_lacks_is_told(resnet):
    held = {name.removeprefix("net."): spec for name, spec in specs(resnet, "paddle/custom").items()}
    text = str(refusal(resnet, held, column="paddle/custom"))
    assert text.endswith("They lack the prefix 'net.', which the table's paddle/custom names have.")


def test_another_model_s_names_are_found_behind_a_prefix(lenet, resnet):
    text = str(refusal(lenet, specs(resnet, "torch", prefix="module.")))
    assert "names of resnet18 (torch) with --strip-prefix 'module.'." in text
    assert text.endswith("Try: resnet18 with the source torch and --strip-prefix 'module.'.")


def test_whose_names_these_are(resnet):
    assert owner_of(specs(resnet, "keras")) == Owner(columns=[("resnet18", "keras")])
    assert owner_of(specs(resnet, "keras", prefix="a/")).prefix == "a/"
    assert owner_of(["x.y"]) is None
    assert owner_of([]) is None
    assert str(Owner(columns=[("m", "torch")], branch="a b", prefix="c.")) == (
        "m (torch) with --select 'a b' --strip-prefix 'c.'"
    )
    assert not Owner(columns=[("m", "torch")], prefix="c.").as_it_is
