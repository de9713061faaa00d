"""The command line as a user has it: real processes, exit codes, one paragraph of error, JSON that parses."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xframe import checkpoints
from xframe.checkpoints.model import Outgoing
from xframe.cli.app import app, asked_for, command_name
from xframe.mapping import load_table
from xframe.tensors import TensorSpec

XFRAME = [str(Path(sys.executable).with_name("xframe"))]


def run(*arguments, folder, expect=0):
    done = subprocess.run([*XFRAME, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == expect, (done.stdout, done.stderr)
    return done


def refused(*arguments, folder, expect=2):
    """The error's text: one paragraph on stderr, nothing on stdout, no traceback."""
    done = run(*arguments, folder=folder, expect=expect)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("xframe: ")
    return done.stderr


@pytest.fixture(scope="module")
def lenet(tmp_path_factory):
    """A folder with lenet5_maxavg's Paddle weights as lenet.pdparams."""
    folder = tmp_path_factory.mktemp("lenet")
    write(folder / "lenet.pdparams", "lenet5_maxavg", "paddle")
    return folder


def write(path, model, implementation):
    table = load_table(model)
    entries = [entry for entry in table.entries if implementation in entry.names]
    generator = np.random.default_rng(0)
    tensors = []
    for entry in entries:
        spec = TensorSpec(entry.names[implementation].name, entry.shape(implementation), "float32")
        values = generator.standard_normal(spec.shape).astype(np.float32)
        tensors.append(Outgoing.whole(spec, lambda values=values: values))
    checkpoints.write(path, None, tensors)


def test_version_and_help(tmp_path):
    assert run("--version", folder=tmp_path).stdout.startswith("xframe 0.")
    text = run("--help", folder=tmp_path).stdout
    assert all(command in text for command in ("port", "convert", "list", "show", "check", "inspect", "doctor"))
    assert "Exit codes" in text
    assert "--rtol" in run("port", "--help", folder=tmp_path).stdout


def test_only_the_command_that_is_asked_for_is_built():
    everything = {command_name(info): info for info in app.registered_commands}
    assert {"port", "convert", "list"} <= everything.keys()
    for name, info in everything.items():
        assert asked_for([name, "--help"]).registered_commands == [info]
    for words in ([], ["conver"], ["--version"], ["--help"]):
        assert asked_for(words) is app
    assert len(app.registered_commands) == len(everything)


THREADS = """
import os
from xframe.cli.frame import load_numpy
load_numpy()
import numpy
print(os.environ.get("OPENBLAS_NUM_THREADS"), len(os.listdir("/proc/self/task")))
"""


@pytest.mark.parametrize(("given", "found"), [({}, "None 1"), ({"OPENBLAS_NUM_THREADS": "2"}, "2 2")])
def test_numpy_starts_no_threads_unless_it_is_told_to(given, found):
    """And workers inherit nothing of it."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"} | given
    done = subprocess.run([sys.executable, "-c", THREADS], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == found


@pytest.mark.parametrize(
    ("words", "expected"),
    [("xframe co", "convert"), ("xframe port res", "resnet18"), ("xframe port resnet18 paddle/", "paddle/custom")],
)
def test_completion_knows_commands_models_and_columns(words, expected, tmp_path):
    count = str(len(words.split()) - 1)
    environment = {**os.environ, "_XFRAME_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": count}
    done = subprocess.run(XFRAME, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert expected in done.stdout.split()


def test_list_names_models_and_columns(tmp_path):
    assert "paddle/custom" in run("list", folder=tmp_path).stdout
    found = json.loads(run("list", "--json", folder=tmp_path).stdout)["models"]
    counts = {model["name"]: model["parameters"] for model in found}
    assert counts.items() >= {("lenet5_maxavg", 61_706), ("mnist_cnn", 93_322), ("resnet18", 11_689_512)}


def test_show_prints_every_tensor_of_a_port(tmp_path):
    text = run("show", "resnet18", "paddle", "torch", folder=tmp_path).stdout
    assert len(text.splitlines()) == 1 + 122
    assert "in out -> out in" in text
    rows = json.loads(run("show", "resnet18", "paddle", "torch", "--json", folder=tmp_path).stdout)["tensors"]
    assert rows[-2] == {
        "source": "fc.weight",
        "source_shape": [512, 1000],
        "target": "fc.weight",
        "target_shape": [1000, 512],
        "note": "in out -> out in",
    }


def test_show_without_a_pair_prints_the_layers(tmp_path):
    assert len(run("show", "resnet18", folder=tmp_path).stdout.splitlines()) == 2 + 42
    assert "names a source but no target" in refused("show", "resnet18", "paddle", folder=tmp_path)


def test_show_with_an_option(tmp_path):
    assert "512×10" in run("show", "resnet18", "paddle", "torch", "--set", "num_classes=10", folder=tmp_path).stdout


def test_digests_that_were_taken_are_spoken_of(lenet):
    words = ("convert", "lenet5_maxavg", "paddle", "torch", "lenet.pdparams", "digested.pth")
    assert "digests" not in run(*words, folder=lenet).stdout
    assert "BLAKE3 of 10 tensors; --json lists them" in run(*words, "--digests", folder=lenet).stdout
    assert len(json.loads(run(*words, "--digests", "--json", folder=lenet).stdout)["digests"]) == 10


def test_convert_and_inspect(lenet):
    text = run("convert", "lenet5_maxavg", "paddle", "torch", "lenet.pdparams", "lenet.pth", folder=lenet).stdout
    assert "10 moved" in text
    found = json.loads(run("inspect", "lenet.pth", "--json", folder=lenet).stdout)
    assert {"model": "lenet5_maxavg", "implementation": "torch"} in found["model"]
    assert len(found["tensors"]) == 10
    assert all(tensor["digest"].startswith("blake3:") for tensor in found["tensors"])
    quick = json.loads(run("inspect", "lenet.pth", "--json", "--no-digests", folder=lenet).stdout)
    assert {tensor["digest"] for tensor in quick["tensors"]} == {None}


def test_convert_there_and_back_gives_the_first_digests(lenet):
    run("convert", "lenet5_maxavg", "paddle", "keras", "lenet.pdparams", "there.npz", folder=lenet)
    run("convert", "lenet5_maxavg", "keras", "paddle", "there.npz", "back.safetensors", folder=lenet)
    first, last = (
        {t["name"]: t["digest"] for t in json.loads(run("inspect", name, "--json", folder=lenet).stdout)["tensors"]}
        for name in ("lenet.pdparams", "back.safetensors")
    )
    assert first == last


def test_convert_to_another_dtype_says_what_it_cost(lenet):
    done = run(
        "convert", "lenet5_maxavg", "paddle", "torch", "lenet.pdparams", "half.pth", "--dtype", "float16", "--json",
        folder=lenet,
    )  # fmt: skip
    assert json.loads(done.stdout)["conversion"]["rounded"] > 60_000
    assert "Unknown dtype" in refused(
        "convert", "lenet5_maxavg", "paddle", "torch", "lenet.pdparams", "x.pth", "--dtype", "int8", folder=lenet
    )


def test_quiet_prints_nothing(lenet):
    done = run("convert", "lenet5_maxavg", "paddle", "torch", "lenet.pdparams", "quiet.pth", "-q", folder=lenet)
    assert done.stdout == done.stderr == ""


BAD_WORDS = {
    "unknown model": (["resnet81", "paddle", "torch"], "Did you mean resnet18"),
    "unknown implementation": (["resnet18", "paddle", "jax"], "no implementation 'jax'. It has: paddle, paddle/custom"),
    "no such table": (["./none.toml", "paddle", "torch"], "There is no table at ./none.toml"),
    "unknown extension": (["resnet18", "paddle", "torch", "--out", "x.bogus"], "expected an extension among"),
    "only keras writes that": (["resnet18", "paddle", "torch", "--out", "x.keras"], "only keras writes such a file"),
    "only keras and tf write that": (["resnet18", "paddle", "torch", "--out", "x.index"], "only keras or tf writes"),
    "no such folder": (["lenet5_maxavg", "torch", "torch", "--out", "none/x.pth"], "there is none"),
    "output is a folder": (["lenet5_maxavg", "torch", "torch", "--out", "folder.pth"], "found a folder"),
    "unknown option": (["resnet18", "paddle", "torch", "--set", "depth=3"], "has no option 'depth'"),
    "option that is no pair": (["resnet18", "paddle", "torch", "--set", "depth"], "--set takes NAME=VALUE"),
    "foreign option": (["resnet18", "paddle", "torch", "--set", "in_channels=1"], "built with another in_channels"),
    "no input": (["resnet18", "paddle", "torch", "--input", "none.npy"], "cannot be read as a .npy file"),
    "onnx without proof": (["resnet18", "paddle", "torch", "--onnx", "--no-verify"], "does not go with"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_WORDS)
def test_bad_words_are_refused(case, tmp_path):
    words, expected = BAD_WORDS[case]
    (tmp_path / "folder.pth").mkdir()
    assert expected in refused("port", *words, folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.pth"]


class Attack:
    def __reduce__(self):
        return os.system, ("touch owned",)


def truncated(path):
    write(path, "lenet5_maxavg", "paddle")
    path.write_bytes(path.read_bytes()[:-1000])


BAD_FILES = {
    "missing": (lambda _path: None, "found nothing of that name"),
    "empty": (lambda path: path.touch(), "found an empty one"),
    "a folder": (lambda path: path.mkdir(), "found a folder"),
    "truncated": (truncated, "expected"),
    "another model's": (lambda path: write(path, "resnet18", "paddle"), "names of resnet18 (paddle)"),
    "another column's": (lambda path: write(path, "lenet5_maxavg", "keras"), "names of lenet5_maxavg (keras)"),
    "code": (lambda path: path.write_bytes(pickle.dumps({"conv1.weight": Attack()})), "system"),
    "text": (lambda path: path.write_text("hello"), "expected a weight file"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused_and_the_old_output_stays(case, tmp_path):
    make, expected = BAD_FILES[case]
    make(tmp_path / "in.pdparams")
    (tmp_path / "out.pth").write_text("precious")
    text = refused("convert", "lenet5_maxavg", "paddle", "torch", "in.pdparams", "out.pth", folder=tmp_path)
    assert expected in text
    assert len(text.strip().splitlines()) == 1
    assert (tmp_path / "out.pth").read_text() == "precious"
    assert not (tmp_path / "owned").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"in.pdparams", "out.pth"}


def test_a_refusal_in_json_lists_its_problems(tmp_path):
    write(tmp_path / "in.npz", "resnet18", "paddle")
    done = run("convert", "lenet5_maxavg", "paddle", "torch", "in.npz", "out.pth", "--json", folder=tmp_path, expect=2)
    found = json.loads(done.stdout)
    assert found["verdict"] == "refused"
    assert found["exit_code"] == 2
    assert len(found["problems"]) > 100
    assert set(found["problems"][0]) == {"kind", "tensor", "detail", "suggestion"}


def test_check_reports_five_mistakes_with_their_places(tmp_path):
    text = Path(load_table("lenet5_maxavg").file).read_text()
    for before, after in (
        ('kind   = "linear"\n', 'kind   = "linaer"\n'),
        ('torch  = "conv3"', 'torch  = "conv1"'),
        ('keras  = "conv5"', 'keras  = "conv{n}"'),
        ("kh = 5", "kz = 5"),
        ('paddle          = { build = "xframe.zoo.lenet.paddle:lenet5_maxavg" }', "paddle = {}"),
    ):
        assert before in text
        text = text.replace(before, after, 1)
    (tmp_path / "bad.toml").write_text(text)
    done = run("check", "bad.toml", "--no-build", folder=tmp_path, expect=2)
    for place in ("layers[5].kind", "layers[1]", "layers[3].keras", "layers[0].sizes", "implementations.paddle"):
        assert f" {place}" in done.stdout, done.stdout
    problems = json.loads(run("check", "bad.toml", "--no-build", "--json", folder=tmp_path, expect=2).stdout)
    assert len(problems["tables"][0]["problems"]) >= 5


def test_a_missing_framework_is_exit_code_3(tmp_path):
    environment = {**os.environ, "XFRAME_PYTHON_TORCH": str(tmp_path / "nowhere" / "python")}
    command = [*XFRAME, "port", "lenet5_maxavg", "torch", "torch"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "XFRAME_PYTHON_TORCH" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_leaves_early_changes_nothing(tmp_path):
    with subprocess.Popen([*XFRAME, "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_debug_shows_the_traceback(tmp_path):
    done = run("inspect", "none.pth", "--debug", folder=tmp_path, expect=2)
    assert "Traceback" in done.stderr
    assert "CheckpointError" in done.stderr


def test_doctor_finds_all_frameworks(tmp_path):
    found = json.loads(run("doctor", "paddle", "torch", "keras", "onnx", "--json", folder=tmp_path).stdout)
    assert [entry["framework"] for entry in found["frameworks"] if entry["found"]] == [
        "paddle",
        "torch",
        "keras",
        "onnx",
    ]
    assert any("segmentation fault" in conflict for conflict in found["conflicts"])
    assert found["compiled"] is True
    assert "Unknown framework" in refused("doctor", "jax", folder=tmp_path)


def test_port_proves_and_writes_json(tmp_path):
    found = json.loads(run("port", "lenet5_maxavg", "paddle", "torch", "--json", folder=tmp_path).stdout)
    assert found["verdict"] == "equivalent"
    assert found["float64"]["max_rel"] < 1e-9
    assert found["tensors"]["moved"] == 10
    assert found["out"] == "lenet5_maxavg.pth"
    assert (tmp_path / "lenet5_maxavg.pth").exists()
    keys = {
        "command", "model", "source", "target", "verdict", "tensors", "float64", "float32", "first_divergence",
        "problems", "out", "certificate", "seconds", "versions",
    }  # fmt: skip
    assert keys <= set(found)
    assert set(found["float32"]) == {"max_abs", "max_rel", "noise_source", "noise_target"}
