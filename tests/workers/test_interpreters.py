"""Interpreters of their own: the ones that serve, and everything else that a path can lead to."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from sessions import SITE, one_paragraph

from xframe.errors import FrameworkMissing, OutputError
from xframe.workers import Pool, Settings

TORCH = ("torch", "torchgen", "functorch", "typing_extensions.py", "filelock", "sympy", "mpmath", "networkx", "jinja2",
         "markupsafe", "fsspec", "setuptools", "nvidia", "triton")  # fmt: skip


PARENTS_OWN = ["xframe", "execnet", "ml_dtypes", "einops", "h5py", "rich", "typer", "safetensors"]


def bare(folder, *packages):
    """An environment that has nothing but ``packages`` of this one's; returns its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for package in packages:
        if (SITE / package).exists():
            (site / package).symlink_to(SITE / package)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def only_numpy(tmp_path_factory):
    return bare(tmp_path_factory.mktemp("environment") / "numpy", "numpy", "numpy.libs")


def script(folder, text):
    path = folder / "python"
    path.write_text(text)
    path.chmod(0o755)
    return path


def refusal(python, timeout=60.0):
    """The error for an interpreter that cannot serve torch."""
    with Pool(Settings(pythons={"torch": str(python)}, timeout=timeout)) as pool:
        pool.start("torch")
        with pytest.raises(FrameworkMissing) as caught:
            pool["torch"].hello  # noqa: B018
        with pytest.raises(FrameworkMissing):
            pool["torch"].call("build", handle="model", factory="faulty:scaled", options={}, dtype="float32")
    told = str(caught.value)
    assert "pip install 'xframe[torch]'" in told
    assert "XFRAME_PYTHON_TORCH" in told
    assert "\n" not in told
    return told


def test_an_interpreter_without_the_framework(only_numpy):
    assert f"No module named 'torch' (interpreter {only_numpy})" in refusal(only_numpy)


def test_an_interpreter_without_numpy(tmp_path):
    assert "No module named 'numpy'" in refusal(bare(tmp_path / "empty"))


def test_an_interpreter_that_is_too_old(tmp_path):
    python = bare(tmp_path / "old", "numpy", "numpy.libs")
    (site,) = (tmp_path / "old").glob("lib/python*/site-packages")
    (site / "sitecustomize.py").write_text(
        "import sys\nsys.version_info, sys.version = (3, 9, 1), '3.9.1 (pretended)'\n"
    )
    assert "is Python 3.9.1, and xframe needs 3.11 or newer" in refusal(python)


@pytest.mark.parametrize(("python", "words"), [
    ("/no/such/python", "No such file or directory"),
    ("no-such-command", "No such file or directory"),
    ("/", "Permission denied"),
    ("/bin/true", "exit code 0"),
    ("/bin/false", "exit code 1"),
    ("/bin/cat", "exit code 1"),
    ("sleep 1000", "No such file or directory"),
    ("null\0byte", "embedded null byte"),
])  # fmt: skip
def test_what_is_no_interpreter(python, words):
    told = refusal(python)
    assert f"its interpreter {python} does not start (" in told
    assert words in told


@pytest.mark.parametrize(("text", "words"), [
    ("no program", "Exec format error"),
    ("#!/bin/sh\nexit 3\n", "exit code 3"),
    ("#!/bin/sh\necho lost my way >&2; exit 1\n", "Its last words: lost my way"),
    ("#!/bin/sh\necho hello\nexec sleep 1000\n", "what it answers is not Python's"),
    ("#!/bin/sh\nexec sleep 1000\n", "no answer within 1 s"),
    ("#!/bin/sh\nexec >&- <&-; exec sleep 1000\n", "it closed its channel"),
    ("#!/bin/sh\nkill -SEGV $$\n", "killed by SIGSEGV"),
])  # fmt: skip
def test_a_script_that_is_no_interpreter(tmp_path, text, words):
    patience = 1.0 if words.startswith("no answer") else 60.0
    assert words in refusal(script(tmp_path, text), timeout=patience)


def test_a_script_around_an_interpreter_serves(tmp_path, stand_ins):
    python = script(tmp_path, f'#!/bin/sh\n"{sys.executable}" "$@"\n')
    with Pool(Settings(pythons={"torch": str(python)})) as pool:
        assert pool["torch"].hello["pid"] != pool["torch"]._process.pid


def test_the_command_without_the_framework(command, only_numpy, monkeypatch):
    monkeypatch.setenv("XFRAME_PYTHON_TORCH", str(only_numpy))
    code, out, err = command.run("torch/build")
    assert (code, out) == (3, "")
    assert one_paragraph(err)
    assert "pip install 'xframe[torch]'" in err
    assert command.untouched()


def test_an_environment_of_its_own_serves_a_port(command, tmp_path, monkeypatch):
    """Numpy, torch and what torch needs: no xframe, no execnet. Named in the variable, then in the file."""
    python = bare(tmp_path / "torch", "numpy", "numpy.libs", *TORCH)
    lacking = f"import importlib.util as u; print([n for n in {PARENTS_OWN} if u.find_spec(n)])"
    found = subprocess.run([python, "-c", lacking], check=True, capture_output=True, text=True, env={}).stdout
    assert found == "[]\n"
    monkeypatch.setenv("XFRAME_PYTHON_TORCH", str(python))
    code, out, err = command.run("torch/run", "none", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["verdict"] == "equivalent"
    assert not command.untouched()
    monkeypatch.delenv("XFRAME_PYTHON_TORCH")
    Path("xframe.toml").write_text('[frameworks.torch]\npython = "../torch/bin/python"\n')
    with Pool() as pool:
        assert Path(pool["torch"].hello["python"]).samefile(python)
        assert pool["torch"].hello["python"] != sys.executable


@pytest.mark.parametrize("framework", ["torch", "paddle", "keras", "onnxruntime"])
def test_a_worker_needs_numpy_and_its_framework_alone(tmp_path, monkeypatch, framework):
    """In the environment that has everything, nothing but numpy is imported before the framework."""
    listing = tmp_path / "listing.json"
    if framework == "keras":
        (tmp_path / "tensorflow.py").touch()
    (tmp_path / f"{framework}.py").write_text(
        "import json, pathlib, sys\n"
        "names = sorted({name.split('.')[0] for name in sys.modules})\n"
        f"pathlib.Path({str(listing)!r}).write_text(json.dumps(names))\n"
        "raise ImportError('listed')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Pool() as pool, pytest.raises(FrameworkMissing, match="listed"):
        pool["onnx" if framework == "onnxruntime" else framework].hello  # noqa: B018
    named = {name for name in json.loads(listing.read_text()) if not name.startswith(("_", "numpy"))}
    foreign = {name for name in named - sys.stdlib_module_names if importlib.util.find_spec(name) is not None}
    assert foreign - {framework, "tensorflow", "sitecustomize"} == {"xframe"}


def test_files_of_the_users_own_shadow_no_library(session):
    """`struct.py` in the working directory is the user's model, not the standard library's."""
    for name in ("struct", "queue", "typing", "numpy", "dataclasses", "xframe"):
        Path(f"{name}.py").write_text("raise RuntimeError('shadowed')\n")
    assert session["torch"].hello["versions"]["torch"] == "stand-in"


def test_the_users_folder_is_the_last_place_to_look(session, monkeypatch):
    Path("mine.py").write_text("from faulty import scaled\nimport os\nassert 'PYTHONSAFEPATH' not in os.environ\n")
    worker = session["torch"]
    assert worker.call("build", handle="m", factory="mine:scaled", options={"factor": 1}, dtype="float32") == []


def test_no_folder_for_the_session(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")
    with pytest.raises(OutputError, match=r"No such file or directory: '/no/such/folder/xframe-.*Try: TMPDIR="):
        Pool()


def test_no_guard_no_folder(trace, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(FileNotFoundError):
        Pool()
    assert trace.find() == []
