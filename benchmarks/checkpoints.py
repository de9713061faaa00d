"""`xframe convert` against the script that people paste and against `cp`, over files of three sizes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.measure import Afresh, Ratio, versus
from xframe import checkpoints
from xframe.checkpoints import Outgoing
from xframe.tensors import TensorSpec

PYTHON = sys.executable
XFRAME = str(Path(PYTHON).with_name("xframe"))
NAIVE = str(Path(__file__).with_name("naive.py"))
LISTED = "import sys, paddle; [print(n, t.shape, t.dtype) for n, t in paddle.load(sys.argv[1]).items()]"
Layers = tuple[tuple[int, int, int], ...]  # count, in, out

HEAD = """summary = "linear layers"
input   = [1]

[implementations]
paddle = { build = "nowhere:paddle" }
torch  = { build = "nowhere:torch" }
"""
ROW = """
[[layers]]
kind   = "linear"
for    = {{ i = "0..{last}" }}
sizes  = {{ in = {inputs}, out = {outputs} }}
paddle = "linear{group}.{{i}}"
torch  = "linear{group}.{{i}}"
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A source file and the MODEL that it is of."""

    model: str
    source: Path

    @property
    def megabytes(self) -> float:
        return self.source.stat().st_size / 1e6


def cases(folder: Path) -> Iterator[Case]:
    """resnet18, which Paddle writes; 0.5 GB and 2.1 GB of linear layers up to 4096 × 4096, every matrix turned."""
    code = "import paddle; paddle.save(paddle.vision.models.resnet18().state_dict(), 'resnet18.pdparams')"
    subprocess.run([PYTHON, "-c", code], cwd=folder, check=True, capture_output=True)
    yield Case("resnet18", folder / "resnet18.pdparams")
    yield linears(folder, "half", ((6, 4096, 4096), (4, 4096, 1024), (8, 1024, 1024)))
    yield linears(folder, "two", ((28, 4096, 4096), (10, 4096, 1024), (20, 1024, 1024)))


def linears(folder: Path, name: str, layers: Layers) -> Case:
    """Weights as Paddle lays them out, and the table of the model that they are of."""
    rows, tensors = [HEAD], []
    numbers = np.random.default_rng(0).standard_normal(4096 * 4096, dtype=np.float32)
    for group, (count, inputs, outputs) in enumerate(layers):
        rows.append(ROW.format(group=group, last=count - 1, inputs=inputs, outputs=outputs))
        for index in range(count):
            for kind, shape in (("weight", (inputs, outputs)), ("bias", (outputs,))):
                spec = TensorSpec(f"linear{group}.{index}.{kind}", shape, "float32")
                tensors.append(Outgoing.whole(spec, partial(_drawn, numbers, spec, index)))
    table = folder / f"{name}.toml"
    table.write_text("".join(rows))
    checkpoints.write(folder / f"{name}.pdparams", None, tensors)
    return Case(str(table), folder / f"{name}.pdparams")


def _drawn(numbers: np.ndarray, spec: TensorSpec, index: int) -> np.ndarray:
    return np.roll(numbers, index)[: spec.numel].reshape(spec.shape)


def measured(folder: Path, runs: int, pause: float) -> dict[str, list[Ratio]]:
    """Every ratio, printed as it is found, by what it is measured against; ``pause`` seconds lie before each run."""
    afresh = Afresh(("ours.pth", "copy", "naive.pth"), pause)
    found: dict[str, list[Ratio]] = {"cp": [], "cp, with digests": [], "naive": [], "inspect": []}
    for case in cases(folder):
        convert = [XFRAME, "convert", case.model, "paddle", "torch", case.source.name, "ours.pth", "--quiet"]
        commands = {
            "cp": (convert, ["cp", case.source.name, "copy"], runs),
            "cp, with digests": ([*convert, "--digests"], ["cp", case.source.name, "copy"], runs),
            "naive": (convert, [PYTHON, NAIVE, case.source.name, "naive.pth"], max(1, runs // 2)),
        }
        for name, (ours, baseline, times) in commands.items():
            title = f"{case.megabytes:.0f} MB: convert / {name}"
            found[name].append(versus(title, ours, baseline, folder, times, afresh=afresh))
            print(found[name][-1].line(), flush=True)
        found["inspect"].append(listing(case, folder, runs))
        print(found["inspect"][-1].line(), flush=True)
        round_trip(case, folder)
        for path in (*folder.glob("*.pth"), *folder.glob("copy"), case.source):
            path.unlink()
    return found


def listing(case: Case, folder: Path, runs: int) -> Ratio:
    """What is in a file, without digests, against paddle.load and a loop that prints."""
    inspect = [XFRAME, "inspect", case.source.name, "--no-digests"]
    title = f"{case.megabytes:.0f} MB: inspect --no-digests / paddle.load"
    return versus(title, inspect, [PYTHON, "-c", LISTED, case.source.name], folder, runs)


def round_trip(case: Case, folder: Path) -> None:
    """.safetensors → .pdparams → .pth → .safetensors gives back the same digests, or the benchmark ends here."""
    digests = []
    way = (
        ("paddle", "torch", case.source.name, "a.safetensors"),
        ("torch", "paddle", "a.safetensors", "b.pdparams"),
        ("paddle", "torch", "b.pdparams", "c.pth"),
        ("torch", "torch", "c.pth", "d.safetensors"),
    )
    for source, target, before, after in way:
        command = [XFRAME, "convert", case.model, source, target, before, after, "--digests", "--json"]
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        digests.append(json.loads(done.stdout)["digests"])
    same = digests[0] == digests[2] == digests[3] and bool(digests[0])
    for name in ("a.safetensors", "b.pdparams", "c.pth", "d.safetensors"):
        (folder / name).unlink()
    if not same:
        sys.exit(f"{case.source.name}: the way there and back changed a digest")
    way_back = ".safetensors -> .pdparams -> .pth -> .safetensors"
    print(f"{case.megabytes:.0f} MB: {way_back}: the same {len(digests[0])} digests")
