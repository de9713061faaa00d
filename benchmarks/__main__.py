"""`python -m benchmarks [--runs N] [--json FILE]`: every ratio that the README quotes, measured now, here."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.measure import Ratio, versus

HERE = Path(__file__).parent
PYTHON = sys.executable
XFRAME = str(Path(PYTHON).with_name("xframe"))
SOURCE = "resnet18.pdparams"


def main() -> None:
    """Make the input, measure, print."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each command (default 5)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="xframe-bench-") as folder:
        figures = list(port_and_convert(Path(folder), arguments.runs))
        operators = own_operators(Path(folder))
    if arguments.json:
        found = {"processes": [asdict(figure) for figure in figures], "operators": operators}
        arguments.json.write_text(json.dumps(found, indent=1))


def port_and_convert(folder: Path, runs: int) -> list[Ratio]:
    """Both commands against the naive script, on a resnet18 .pdparams that Paddle wrote."""
    code = f"import paddle; paddle.save(paddle.vision.models.resnet18().state_dict(), '{SOURCE}')"
    subprocess.run([PYTHON, "-c", code], cwd=folder, check=True, capture_output=True)
    naive = [PYTHON, str(HERE / "naive.py"), SOURCE, "naive.pth"]
    ends = ["resnet18", "paddle", "torch"]
    commands = {
        "convert / naive script": [XFRAME, "convert", *ends, SOURCE, "converted.pth"],
        "port with its full proof / naive script": [XFRAME, "port", *ends, "--weights", SOURCE, "--out", "ported.pth"],
    }
    print(f"resnet18, 46.8 MB, {platform.processor() or platform.machine()}; medians of {runs} runs in turn")
    print(f"{'xframe / baseline':<44} {'time':>9} {'':>9} {'ratio':>7} {'memory':>10} {'':>10} {'ratio':>7}")
    ratios = []
    for name, command in commands.items():
        ratios.append(versus(name, command, naive, folder, runs))
        print(ratios[-1].line(), flush=True)
    return ratios


def own_operators(folder: Path) -> dict[str, dict[str, float]]:
    """The zoo's own Paddle operators against the framework's layers."""
    done = subprocess.run([PYTHON, str(HERE / "operators.py")], cwd=folder, check=True, capture_output=True, text=True)
    found: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    print("\nlenet5_maxavg, batch 64: own Conv2D and Pool2D / the framework's layers, one process, in turn")
    for name, figures in found.items():
        own, framework = (1000 * figures[key] for key in ("own", "framework"))
        print(f"{name:<44} {own:6.1f} ms {framework:6.1f} ms {figures['ratio']:6.2f}x")
    return found


if __name__ == "__main__":
    main()
