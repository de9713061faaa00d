"""Three networks trained on handwritten digits, each in another framework: in all three they read alike."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.sides import Side

ROOT = Path(__file__).parents[2]
TRAINING = Path(__file__).parent / "training"
NARROW = {"in_channels": 1, "wide": 36, "middle": 30, "narrow": 18}
ENDINGS = {"paddle": ".pdparams", "paddle/custom": ".pdparams", "torch": ".pth", "keras": ".weights.h5"}
TRAINED = [  # model, its options, where it is trained, where it goes
    pytest.param("lenet5", {}, "keras", ("paddle", "torch"), id="lenet5"),
    pytest.param("nin", NARROW, "torch", ("paddle", "keras"), id="nin"),
    pytest.param(
        "resnet18", {"in_channels": 1, "num_classes": 10}, "paddle/custom", ("torch", "keras"), id="resnet18",
        marks=pytest.mark.slow,
    ),
]  # fmt: skip
LEAST_ACCURACY = 0.9


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The file of images and labels to train with, and those that are held out."""
    code = (
        "import sys, numpy as np; from digits import digits; i, h, l, a = digits();"
        "np.savez(sys.argv[1], images=i, labels=l); np.savez(sys.argv[2], images=h, labels=a)"
    )
    folder = tmp_path_factory.mktemp("digits")
    paths = folder / "training.npz", folder / "held_out.npz"
    subprocess.run([sys.executable, "-c", code, *paths], cwd=ROOT / "fixtures", check=True)
    return paths


def train(framework, digits, out):
    """Weights in the framework's own format, which it wrote itself."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, TRAINING / f"{framework}.py", digits, out]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.fixture
def predictions(pool):
    """What an implementation answers, in float32, its file loaded by its own framework."""

    def predict(table, implementation, weights, images):
        side = Side(pool, table, table.implementation(implementation), "trained", "float32")
        side.load_file(weights).result()
        (answers,) = side.run(images, "float32")().arrays
        side.release()
        assert answers.shape == (len(images), 10)
        return answers.argmax(1)

    return predict


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("model", "options", "source", "targets"), TRAINED)
def test_the_same_answers_everywhere(
    port, predictions, digits, tmp_path, record_property, model, options, source, targets
):
    training, held_out = digits
    images, labels = (np.load(held_out)[name] for name in ("images", "labels"))
    table = load_table(model, options)
    trained = train(source.partition("/")[0], training, tmp_path / f"trained{ENDINGS[source]}")
    answers = {source: predictions(table, source, trained, images)}
    for target in targets:
        out = tmp_path / f"{target}{ENDINGS[target]}"
        result = port(model, source, target, weights=trained, out=out, set=options)
        assert result.verdict == "equivalent"
        answers[target] = predictions(table, target, out, images)
    right = {name: int((given == labels).sum()) for name, given in answers.items()}
    record_property("summary", f"{model}, trained in {source}: digits read rightly, of {len(labels)}: {right}")
    assert all(np.array_equal(given, answers[source]) for given in answers.values())
    assert right[source] >= LEAST_ACCURACY * len(labels)
