"""Files as users have them, wrapped, half, of another size: what the commands take, and what they say of the rest."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from xframe import checkpoints
from xframe.cli import app
from xframe.mapping import load_table

XFRAME = [str(Path(sys.executable).with_name("xframe"))]


def run(*arguments, folder, expect=0):
    """In this process, which is many times as fast; tests/test_cli.py has real ones."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        done = CliRunner().invoke(app, [str(word) for word in arguments])
    finally:
        os.chdir(before)
    assert done.exit_code == expect, (done.stdout, done.stderr, done.exception)
    return done


def weights(model="lenet5_maxavg", prefix="", dtype="f4", **options):
    """The Paddle column's tensors, positive and small."""
    drawn = np.random.default_rng(0)
    entries = [entry for entry in load_table(model, options).entries if "paddle" in entry.names]
    return {
        prefix + entry.names["paddle"].name: drawn.random(entry.shape("paddle")).astype(dtype) / 8 for entry in entries
    }


def adam():
    return {"state": {0: {"step": np.ones(1), "exp_avg": np.ones(3), "exp_avg_sq": np.ones(3)}}, "param_groups": [{}]}


def nan():
    found = weights()
    found["conv1.weight"][0, 0, 0, 0] = np.nan
    found["conv3.bias"][1] = np.inf
    return found


def save(path, tree):
    path.write_bytes(pickle.dumps(tree, protocol=4))


def convert(folder, *more, model="lenet5_maxavg", expect=0):
    words = ("convert", model, "paddle", "torch", "in.pdparams", "out.pth", *more)
    return run(*words, folder=folder, expect=expect)


TAKEN = {
    "wrapped": ({"state_dict": weights(), "epoch": 3}, (), ["took 'state_dict', the only state dict in the file"]),
    "chosen": (
        {"model": {"a": weights(), "b": weights()}, "optimizer": adam()},
        ("--select", "model.b"),
        ["took 'model.b', as --select says"],
    ),
    "prefixed, compiled": (
        weights(prefix="_orig_mod.module."),
        ("--strip-prefix", "_orig_mod.module."),
        ["stripped '_orig_mod.module.' from 10 tensors, as --strip-prefix says"],
    ),
    "all at once": (
        {"ema": weights(prefix="module."), "net": weights(), "ids": np.ones(2, "i1")},
        ("--select", "ema", "--strip-prefix", "module.", "--stored-as", "int8=float8_e5m2", "--max-memory", "1GB"),
        [
            "1 tensor stored as int8 read as float8_e5m2, as --stored-as says",
            "took 'ema', as --select says",
            "stripped 'module.' from 10 tensors, as --strip-prefix says",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TAKEN)
def test_what_is_taken_is_said(case, tmp_path):
    tree, options, notes = TAKEN[case]
    save(tmp_path / "in.pdparams", tree)
    found = json.loads(convert(tmp_path, *options, "--json").stdout)
    assert [note for note in found["notes"] if not note.startswith("left out")] == notes
    assert found["tensors"]["moved"] == 10
    (moved,) = (
        tensor for name, tensor in checkpoints.read(tmp_path / "out.pth").tensors.items() if name == "conv1.bias"
    )
    assert np.array_equal(moved.array(), weights()["conv1.bias"])


REFUSED = {
    "two state dicts": (
        {"state_dict": weights(), "ema": weights()},
        "branches: state_dict (10 tensors), ema (10 tensors). Try: --select state_dict or --select ema.",
    ),
    "a prefix": (weights(prefix="module."), "All have the prefix 'module.'. Try: --strip-prefix 'module.'."),
    "a prefix in a wrapper": (
        {"model": weights(prefix="backbone."), "epoch": 1}, "Try: --strip-prefix 'backbone.'.",
    ),
    "an optimizer's file": (
        {"linear_0.w_0_moment1_0": np.ones(2), "linear_0.w_0_beta1_pow_acc_0": np.ones(1), "LR_Scheduler": {}},
        "found what looks like an optimizer's state, such as linear_0.w_0_moment1_0.",
    ),
    "another model": (weights("resnet18"), "names of resnet18 (paddle). Try: resnet18 with the source paddle."),
    "another model, wrapped": (
        {"net": weights("resnet18", prefix="module.")},
        "names of resnet18 (paddle) with --strip-prefix 'module.'. Try: resnet18 with the source paddle and --strip",
    ),
    "nobody's": ({"a": np.ones(1)}, "No table that comes with xframe has those names. Try: xframe inspect FILE."),
    "nothing": ({}, "found no tensor at all"),
    "nothing but settings": ({"state_dict": {}, "epoch": 1}, "found no tensor at all, only state_dict, epoch."),
    "a tensor too many, without elements": (
        {**weights(), "none": np.ones((0, 3), "f4")}, "none: unused: no row of the table takes it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_honest_mistakes_are_refused_with_what_to_try(case, tmp_path):
    tree, message = REFUSED[case]
    save(tmp_path / "in.pdparams", tree)
    done = convert(tmp_path, expect=2)
    assert message in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.pth").exists()


def test_another_number_of_classes_names_the_option_and_the_number(tmp_path):
    save(tmp_path / "in.pdparams", weights("resnet18", num_classes=10))
    text = convert(tmp_path, model="resnet18", expect=2).stderr
    assert "fc.weight: dimension 'out' of 'in out' should be 1000, found 10 (--set num_classes=10 if the" in text
    convert(tmp_path, "--set", "num_classes=10", model="resnet18")


BAD_WORDS = {
    "no pair": (("--stored-as", "int8"), "--stored-as takes STORED=DTYPE, such as int8=float8_e4m3fn; found 'int8'"),
    "no dtype": (("--stored-as", "int8=float9"), "Unknown dtype 'float9' in --stored-as"),
    "another width": (("--stored-as", "int8=float16"), "expected a dtype of 1 byte"),
    "one dtype as two": (
        ("--stored-as", "int8=float8_e5m2", "--stored-as", "int8=uint8"), "that it is float8_e5m2 and that it is uint8",
    ),
    "none stored so": (("--stored-as", "int8=float8_e5m2"), "expected tensors stored as int8; found float32"),
    "no size": (("--max-memory", "much"), "--max-memory takes a size such as 512MB or 8GB; found 'much'"),
    "no memory": (("--max-memory", "0GB"), "--max-memory takes a size"),
    "no branch": (("--select", "ema"), "found no branches: its tensors lie side by side. Try: it without --select."),
    "no prefix": (("--strip-prefix", "a."), "found 10 of 10 tensors that do not: conv1.weight, conv1.bias, conv3"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_WORDS)
def test_options_that_do_not_fit_are_refused(case, tmp_path):
    options, message = BAD_WORDS[case]
    save(tmp_path / "in.pdparams", weights())
    assert message in run("inspect", "in.pdparams", *options, folder=tmp_path, expect=2).stderr


def test_options_on_a_file_need_one(tmp_path):
    text = run("port", "lenet5_maxavg", "paddle", "torch", "--select", "ema", folder=tmp_path, expect=2).stderr
    assert "are about the file of --weights, and there is none" in text


def test_keras_s_own_files_take_no_selection(tmp_path):
    words = ("convert", "lenet5_maxavg", "keras", "torch", "in.weights.h5", "out.pth", "--strip-prefix", "a.")
    assert "a Keras model reads this file itself" in run(*words, folder=tmp_path, expect=2).stderr


def test_port_takes_the_same_options_and_reports_nan(tmp_path):
    save(tmp_path / "in.pdparams", {"a": {f"module.{name}": array for name, array in nan().items()}, "b": weights()})
    options = ("--weights", "in.pdparams", "--select", "a", "--strip-prefix", "module.", "--no-verify", "--json")
    found = json.loads(run("port", "lenet5_maxavg", "paddle", "torch", *options, folder=tmp_path).stdout)
    assert found["tensors"]["nonfinite"] == ["conv1.weight", "conv3.bias"]
    assert found["tensors"]["moved"] == 10
    assert "took 'a', as --select says" in found["notes"]
    moved = checkpoints.read(tmp_path / "lenet5_maxavg.pth").tensors["conv3.bias"].array()
    assert np.array_equal(moved, nan()["conv3.bias"])


def test_inspect_tells_all_that_a_file_holds(tmp_path):
    tree = {
        "state_dict": weights(prefix="module."), "optimizer": adam(), "epoch": 3, "args": {"lr": 0.1},
        "steps": {f"s{index}": index for index in range(20)}, "count": np.ones((), "i8"),
        "\x1b[31mred": np.ones(1, "f4"),
    }  # fmt: skip
    save(tmp_path / "in.pdparams", tree)
    text = run("inspect", "in.pdparams", folder=tmp_path).stdout
    assert "dtypes: float32 in 11 tensors, 246.8 kB; float64 in 3 tensors, 56 B; int64 in 1 tensor, 8 B" in text
    assert "branches: state_dict (10 tensors), optimizer (3 tensors, an optimizer's state)" in text
    assert (
        "names: lenet5_maxavg (paddle, paddle/custom, torch) with --select state_dict --strip-prefix 'module.'" in text
    )
    assert "epoch     3\n" in text
    assert "and 11 more, which --json lists" in text
    assert "\x1b" not in text
    found = json.loads(run("inspect", "in.pdparams", "--json", folder=tmp_path).stdout)
    assert found["metadata"]["args.lr"] == "0.1"
    assert found["branches"] == {"state_dict": 10, "optimizer": 3, "optimizer.state": 3, "optimizer.state.0": 3}
    assert found["dtypes"]["int64"] == {"tensors": 1, "bytes": 8}
    assert found["bytes"] == sum(tensor["bytes"] for tensor in found["tensors"])
    assert found["nonfinite"] == []
    assert found["model"] == []


def test_inspect_selects_too_and_finds_nan_where_it_reads(tmp_path):
    save(tmp_path / "in.pdparams", {"a": nan(), "b": weights()})
    text = run("inspect", "in.pdparams", "--select", "a", folder=tmp_path).stdout
    assert "NaN or Inf: conv1.weight, conv3.bias" in text
    assert "in.pdparams: paddle, 10 tensors, 61,706 values, 246.8 kB" in text
    quick = json.loads(run("inspect", "in.pdparams", "--no-digests", "--json", folder=tmp_path).stdout)
    assert quick["nonfinite"] is None


def test_a_branch_is_offered_as_one_not_as_a_prefix(tmp_path):
    save(tmp_path / "in.pdparams", {"state_dict": weights(), "epoch": 3})
    text = run("inspect", "in.pdparams", "--no-digests", folder=tmp_path).stdout
    assert "names: lenet5_maxavg (paddle, paddle/custom, torch) with --select state_dict\n" in text


def test_completion_knows_branches_and_lost_dtypes(tmp_path):
    save(tmp_path / "in.pdparams", {"student": weights(), "teacher": weights()})
    for words, expected in (
        ("xframe inspect in.pdparams --select s", ["student"]),
        ("xframe inspect in.pdparams --stored-as i", ["int8=float8_e4m3fn", "int8=float8_e5m2"]),
    ):
        count = str(len(words.split()) - 1)
        environment = {"_XFRAME_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": count}
        done = subprocess.run(
            XFRAME, cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        assert done.stdout.split() == expected
