"""Each framework states its facts in a process of its own: paddle and tensorflow do not survive side by side."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "facts"
ROOT = Path(__file__).parents[2]


def facts(framework):
    """What facts/state_<framework>.py prints last. A missing framework is a failure, not a skip."""
    script = SCRIPTS / f"state_{framework}.py"
    run = partial(subprocess.run, env=os.environ | {"PYTHONPATH": str(ROOT)})
    done = run([sys.executable, script], check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{script.name} ended with {done.returncode}:\n{done.stderr[-3000:]}"
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def paddle_facts():
    return facts("paddle")


@pytest.fixture(scope="session")
def torch_facts():
    return facts("torch")


@pytest.fixture(scope="session")
def keras_facts():
    return facts("keras")
