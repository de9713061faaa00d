"""Where faults are planted: a pool of workers and a folder for tables and files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fault import seen, taught
from training_pairs import trained

from xframe.report.diffs import render_diff
from xframe.report.text import console, render_port
from xframe.report.training import render_training
from xframe.workers import Pool
from xframe.workflows.diff import DiffOptions, diff
from xframe.workflows.port import PortOptions, port

NATIVE = {"paddle": "small.pdparams", "torch": "small.pth", "keras": "small.weights.h5"}


@dataclass
class Bench:
    """Ports and diffs of sheets."""

    pool: Pool
    folder: Path

    def look(self, fault, sheet):
        """The Outcome of a fault's run, and all that was said."""
        table = str(sheet.write(self.folder / "small.toml"))
        options = {key: self.made(value) for key, value in fault.options.items() if key != "native"}
        if fault.by == "train":
            result = trained(self.pool, table, *sheet.ends, **options)
            return taught(result, fault.cause), said(render_training(result))
        if fault.by == "diff":
            if fault.there is not None:
                options |= self.files(table, sheet, fault)
            result = diff(table, *sheet.ends, DiffOptions(**options), pool=self.pool)
            return seen(result), said(render_diff(result))
        if fault.weights is not None:
            options["weights"] = self.drawn(table, sheet.source, fault.weights)
        out = self.folder / (NATIVE[sheet.target] if fault.options.get("native") else "small.npz")
        result = port(table, *sheet.ends, PortOptions(out=out, **options), pool=self.pool)
        assert out.exists() == (result.out is not None)
        out.unlink(missing_ok=True)
        return seen(result), said(render_port(result))

    def made(self, value):
        """An array becomes a file of it."""
        if not isinstance(value, np.ndarray):
            return value
        np.save(self.folder / "input.npy", value)
        return self.folder / "input.npy"

    def drawn(self, table, framework, change):
        """Random weights of one side as .npz, changed in place."""
        path = self.folder / "drawn.npz"
        port(table, framework, framework, PortOptions(out=path, verify=False), pool=self.pool)
        tensors = dict(np.load(path))
        change(framework, tensors)
        np.savez(path, **tensors)
        return path

    def files(self, table, sheet, fault):
        """A file for each side: the source's weights, and the target's, ported and then changed."""
        source, target = self.folder / "source.npz", self.folder / "target.npz"
        port(table, sheet.source, sheet.source, PortOptions(out=source, verify=False), pool=self.pool)
        port(table, *sheet.ends, PortOptions(weights=source, out=target, verify=False), pool=self.pool)
        tensors = dict(np.load(target))
        fault.there(sheet.target, tensors)
        np.savez(target, **tensors)
        return {"source_weights": source, "target_weights": target}


def said(renderable):
    """A result as it is printed."""
    out = console()
    with out.capture() as captured:
        out.print(renderable)
    return captured.get()
