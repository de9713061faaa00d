"""An environment that holds xframe and what it declares, and no framework: everything but the proof works there."""

import importlib.metadata
import json
import os
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

SITE = Path(sysconfig.get_paths()["purelib"])
ROOT = Path(__file__).parents[1]


def declared():
    """The distributions that xframe needs without an extra, and those that they need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found, waiting = set(), [project["dependencies"]]
    while waiting:
        for line in waiting.pop():
            requirement = Requirement(line)
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if wanted and requirement.name not in found:
                found.add(requirement.name)
                waiting.append(importlib.metadata.requires(requirement.name) or [])
    return found


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The environment's interpreter."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    for name in declared():
        for file in importlib.metadata.files(name) or ():
            top = Path(file.parts[0])
            if top.name not in ("..", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(SITE / top)
    (site / "xframe").mkdir()  # as the wheel has it: the tables lie within the package
    for part in (*(ROOT / "xframe").iterdir(), ROOT / "mappings"):
        (site / "xframe" / part.name).symlink_to(part)
    return folder / "bin" / "python"


@pytest.fixture
def run(bare, tmp_path):
    def run(*arguments, expect=0):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "XFRAME"))}
        command = [bare, "-m", "xframe", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == expect, (done.stdout, done.stderr)
        return done

    return run


def test_no_framework_is_there(bare):
    for framework in ("paddle", "torch", "tensorflow", "keras", "onnxruntime"):
        assert subprocess.run([bare, "-c", f"import {framework}"], capture_output=True, check=False).returncode == 1
    subprocess.run([bare, "-c", "import numpy, h5py, xframe.cli"], check=True)


def test_convert_inspect_show_and_list_work(run, tmp_path):
    rows = json.loads(run("show", "lenet5_maxavg", "paddle", "torch", "--json").stdout)["tensors"]
    np.savez(tmp_path / "in.npz", **{row["source"]: np.ones(row["source_shape"], np.float32) for row in rows})
    for out in ("a.pth", "a.pdparams", "a.safetensors", "a.npz"):
        run("convert", "lenet5_maxavg", "paddle", "torch", "in.npz", out)
        assert "10 tensors" in run("inspect", out).stdout
    assert "resnet18" in run("list").stdout


def test_check_says_what_it_could_not_build(run):
    text = run("check", "lenet5_maxavg").stdout
    assert text.startswith("ok  lenet5_maxavg")
    assert "0 built and compared" in text
    assert "not built: paddle, paddle/custom: " in text
    assert "not built:" not in run("check", "--no-build").stdout


def test_a_port_names_what_is_missing(run, tmp_path):
    text = run("port", "lenet5_maxavg", "paddle", "torch", expect=3).stderr
    assert "pip install 'xframe[paddle]'" in text
    assert len(text.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_keras_file_needs_keras(run, tmp_path):
    rows = json.loads(run("show", "lenet5_maxavg", "paddle", "keras", "--json").stdout)["tensors"]
    np.savez(tmp_path / "in.npz", **{row["source"]: np.ones(row["source_shape"], np.float32) for row in rows})
    assert "xframe[keras]" in run("convert", "lenet5_maxavg", "paddle", "keras", "in.npz", "a.keras", expect=3).stderr
    run("convert", "lenet5_maxavg", "paddle", "keras", "in.npz", "a.npz")


def test_doctor_finds_nothing_and_says_so(run):
    found = json.loads(run("doctor", "--json").stdout)["frameworks"]
    assert not any(framework["found"] for framework in found)
    run("doctor", "torch", expect=3)


def test_lines_of_tests_need_no_pytest_to_be_written(bare):
    code = "import xframe; xframe.golden('lenet5'); assert xframe.equivalence('lenet5').xframe_line.model == 'lenet5'"
    subprocess.run([bare, "-c", code], check=True)
    assert subprocess.run([bare, "-c", "import pytest"], capture_output=True, check=False).returncode == 1
