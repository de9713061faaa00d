"""Which interpreter serves, and how long it may take: environment first, then the nearest xframe.toml upwards."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sessions import COMMAND, one_paragraph

from xframe.errors import UsageError
from xframe.workers import load_settings


def write(text, folder="."):
    path = Path(folder).absolute() / "xframe.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_defaults():
    settings = load_settings()
    assert (settings.timeout, settings.origin, settings.python("torch")) == (600.0, "defaults", sys.executable)


def test_the_environment_comes_before_the_file(monkeypatch):
    path = write('timeout = 5\n[frameworks.torch]\npython = "/file"\n[frameworks.paddle]\npython = "/paddle"\n')
    assert (load_settings().timeout, load_settings().python("torch")) == (5.0, "/file")
    monkeypatch.setenv("XFRAME_TIMEOUT", "7.5")
    monkeypatch.setenv("XFRAME_PYTHON_TORCH", "/environment")
    settings = load_settings()
    assert (settings.timeout, settings.origin) == (7.5, str(path))
    assert [settings.python(name) for name in ("torch", "paddle", "keras")] == [
        "/environment",
        "/paddle",
        sys.executable,
    ]


def test_empty_variables_are_not_set(monkeypatch):
    monkeypatch.setenv("XFRAME_TIMEOUT", "")
    monkeypatch.setenv("XFRAME_PYTHON_TORCH", "")
    assert (load_settings().timeout, load_settings().python("torch")) == (600.0, sys.executable)


def test_the_nearest_file_upwards(monkeypatch):
    write("timeout = 1\n")
    near = write("timeout = 2\n", "a/b")
    Path("a/b/c/d").mkdir(parents=True)
    Path("a/b/c/xframe.toml").mkdir()  # a folder of that name is no file
    assert (load_settings(Path("a/b/c/d")).timeout, load_settings(Path("a/b/c/d")).origin) == (2.0, str(near))
    assert load_settings(Path("a")).timeout == 1.0
    monkeypatch.chdir("a/b/c/d")
    assert load_settings().timeout == 2.0


@pytest.mark.parametrize(("given", "found"), [
    ("venv/bin/python", "{folder}/a/venv/bin/python"),
    ("./python", "{folder}/a/python"),
    ("/absolute/python", "/absolute/python"),
    ("~/venv/bin/python", "{home}/venv/bin/python"),
    ("python3.12", "python3.12"),
])  # fmt: skip
def test_a_relative_interpreter_is_relative_to_its_file(given, found):
    write(f'[frameworks.torch]\npython = "{given}"\n', "a")
    python = load_settings(Path("a")).python("torch")
    assert python == found.format(folder=Path.cwd(), home=Path.home())


BAD_FILES = {
    "timeout = 0": "timeout must be a number of seconds above 0, such as 600; found 0",
    "timeout = -1": "timeout must be a number",
    "timeout = nan": "timeout must be a number",
    "timeout = inf": "timeout must be a number",
    "timeout = true": "timeout must be a number of seconds above 0, such as 600; found True",
    'timeout = "5"': "timeout must be a number of seconds above 0, such as 600; found '5'",
    "timeout = []": "timeout must be a number",
    "timeuot = 5": "unknown keys ['timeuot']. Known: timeout, [frameworks.<name>] python.",
    "timeout = ": "cannot be read: Invalid value",
    "timeout = 5 \udcff": "cannot be read: 'utf-8' codec",
    "frameworks = 3": "frameworks holds tables, [frameworks.torch] for one; found 3",
    "[frameworks]\ntorch = '/python'": "[frameworks.torch] takes one key, python",
    "[frameworks.torch]": "[frameworks.torch] takes one key, python",
    "[frameworks.torch]\npython = 3": "[frameworks.torch] takes one key, python",
    "[frameworks.torch]\npython = ''": "[frameworks.torch] takes one key, python",
    '[frameworks.torch]\npython = "a\\u0000"': "[frameworks.torch] takes one key, python",
    "[frameworks.torch]\npython = 'a'\nversion = 2": "[frameworks.torch] takes one key, python",
    "[frameworks.pytorch]\npython = 'a'": "[frameworks.pytorch] names a framework that xframe does not know: 'pytorch'."
    " Did you mean torch?",
    "[frameworks.zzz]\npython = 'a'": "Known: keras, onnx, paddle, tf, torch.",
    "[frameworks.torch]\nbackend = 'torch'": "[frameworks.torch] takes one key, python",
    "[frameworks.keras]\nbackend = 'pytorch'": "backend is one of tensorflow, torch, jax; found 'pytorch'.",
    "[frameworks.keras]\nbackend = 3": "backend is one of tensorflow, torch, jax; found 3.",
    "[frameworks.keras]": "[frameworks.keras] takes python = ",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_a_bad_file_names_itself_and_the_key(text):
    path = Path("xframe.toml").absolute()
    path.write_bytes(os.fsencode(text))
    with pytest.raises(UsageError) as caught:
        load_settings()
    assert str(caught.value).startswith(str(path))
    assert BAD_FILES[text] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("more", ["", "python = 'python3.12'\n"])
def test_keras_runs_on_the_backend_that_the_file_names(more):
    write(f"[frameworks.keras]\nbackend = 'torch'\n{more}")
    settings = load_settings()
    assert settings.environment("keras") == {"KERAS_BACKEND": "torch"}
    assert settings.environment("torch") == {}
    assert settings.python("keras") == ("python3.12" if more else sys.executable)


@pytest.mark.parametrize("value", ["0", "-3", "nan", "inf", "soon", "1e400", "5 s", "True"])
def test_a_bad_timeout_in_the_environment(monkeypatch, value):
    write("timeout = 5\n")
    monkeypatch.setenv("XFRAME_TIMEOUT", value)
    with pytest.raises(UsageError, match="XFRAME_TIMEOUT must be a number of seconds above 0"):
        load_settings()


def test_a_variable_for_no_framework(monkeypatch):
    monkeypatch.setenv("XFRAME_PYTHON_PADLE", "/python")
    with pytest.raises(UsageError, match=r"XFRAME_PYTHON_PADLE names a framework .* Did you mean paddle\?"):
        load_settings()


def test_the_command_refuses_bad_settings():
    write("timeout = 0\n")
    done = subprocess.run([COMMAND, "doctor", "onnx"], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert one_paragraph(done.stderr)
    assert "xframe.toml: timeout must be" in done.stderr
