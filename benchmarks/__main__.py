"""`python -m benchmarks [--runs N] [--pause SECONDS] [--json FILE] [--plot FILE]`: the ratios that README quotes."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.checkpoints import measured
from benchmarks.measure import Ratio, versus

HERE = Path(__file__).parent
PYTHON = sys.executable
XFRAME = str(Path(PYTHON).with_name("xframe"))
SOURCE = "resnet18.pdparams"


def main() -> None:
    """Make the input, measure, print."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each command (default 5)")
    parser.add_argument("--pause", type=float, default=3.0, help="seconds before each conversion (default 3)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="also draw how time and memory grow with size")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="xframe-bench-") as folder:
        figures = port_and_naive(Path(folder), arguments.runs)
        sizes = measured(Path(folder), arguments.runs, arguments.pause)
        operators = own_operators(Path(folder))
    if arguments.json:
        found = {
            "port": asdict(figures),
            "convert": {name: [asdict(ratio) for ratio in ratios] for name, ratios in sizes.items()},
            "operators": operators,
        }
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    if arguments.plot:
        from benchmarks.plot import plot  # noqa: PLC0415 - matplotlib only where a plot is wanted

        plot(sizes, arguments.plot)


def port_and_naive(folder: Path, runs: int) -> Ratio:
    """A whole port against the naive script, on a resnet18 .pdparams that Paddle wrote."""
    code = f"import paddle; paddle.save(paddle.vision.models.resnet18().state_dict(), '{SOURCE}')"
    subprocess.run([PYTHON, "-c", code], cwd=folder, check=True, capture_output=True)
    naive = [PYTHON, str(HERE / "naive.py"), SOURCE, "naive.pth"]
    port = [XFRAME, "port", "resnet18", "paddle", "torch", "--weights", SOURCE, "--out", "ported.pth"]
    print(f"{platform.processor() or platform.machine()}; medians of {runs} runs in turn (naive: {max(1, runs // 2)})")
    times = f"{'time':>9} {'':>9} {'ratio':>7} {'its range':>17}"
    print(f"{'xframe / baseline':<44} {times} {'memory':>10} {'':>10} {'ratio':>7}")
    ratio = versus("47 MB: port with its full proof / naive", port, naive, folder, runs)
    print(ratio.line(), flush=True)
    return ratio


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
