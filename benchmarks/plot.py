"""How time and memory grow with the size of a file: one picture, two axes."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

from benchmarks.measure import Ratio, Sample

LINES = {"cp": "cp", "naive": "load, transpose, save"}


def plot(found: dict[str, list[Ratio]], path: Path) -> None:
    """Seconds on the left, peak resident memory on the right, both over megabytes, on logarithmic axes."""
    plt.rcParams["svg.hashsalt"] = "xframe"
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    lines = {"xframe convert": [ratio.ours for ratio in found["cp"]]}
    lines["with digests"] = [ratio.ours for ratio in found["cp, with digests"]]
    lines |= {label: [ratio.baseline for ratio in found[name]] for name, label in LINES.items()}
    sizes = [float(ratio.name.split(" ")[0]) for ratio in found["cp"]]
    for label, samples in lines.items():
        for panel, values in zip(panels, _columns(samples), strict=True):
            panel.plot(sizes, values, marker="o", label=label)
    for panel, title in zip(panels, ("seconds", "peak memory, MB"), strict=True):
        panel.set(xscale="log", yscale="log", title=title, xlabel="size of the file, MB")
        panel.grid(visible=True, which="both", alpha=0.25)
    panels[0].legend()
    figure.savefig(path, metadata={"Date": None})


def _columns(samples: list[Sample]) -> tuple[list[float], list[float]]:
    return [sample.seconds for sample in samples], [sample.megabytes for sample in samples]
