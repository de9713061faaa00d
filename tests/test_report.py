"""What people are shown: as short as it can be without leaving anything out."""

from pathlib import Path

import numpy as np

from xframe.dtypes import Loss
from xframe.mapping import load_table
from xframe.planning import make_plan
from xframe.report.text import console, plain, render_convert, render_diagnosis
from xframe.tensors import TensorSpec
from xframe.workflows.convert import ConvertResult
from xframe.workflows.doctor import Diagnosis


def shown(renderable):
    out = console()
    with out.capture() as captured:
        out.print(renderable)
    return captured.get()


def test_tensors_that_are_dropped_for_one_reason_take_one_line():
    table = load_table("resnet18")
    entries = [entry for entry in table.entries if "torch" in entry.names]
    held = {
        entry.names["torch"].name: TensorSpec(
            entry.names["torch"].name, entry.shape("torch") or (), entry.tensor.dtype or "float32"
        )
        for entry in entries
    }
    plan = make_plan(table, "torch", "keras", held, lambda name: np.zeros(held[name].shape, held[name].dtype))
    assert len(plan.dropped) == 20
    result = ConvertResult(
        plan=plan, weights=Path("in"), out=Path("out"), nbytes=3, loss=Loss(), nonfinite=("fc.bias",), digests={},
        notes=("a note",), seconds={"total": 1.0},
    )  # fmt: skip
    lines = shown(render_convert(result)).splitlines()
    dropped = [line.strip() for line in lines if "dropped " in line and "·" not in line]
    assert dropped == [
        "dropped bn1.num_batches_tracked and 19 more: counts training batches; read only when momentum is None"
    ]
    assert any(line.startswith("NaN or Inf  fc.bias") for line in lines)
    assert any("a note" in line for line in lines)


def test_doctor_says_where_nothing_was_compiled():
    def told(compiled):
        diagnosis = Diagnosis(findings=(), conflicts=(), settings="none", timeout=600, compiled=compiled)
        return plain(render_diagnosis(diagnosis))

    assert "installed without a C compiler" in told(compiled=False)
    assert "compiler" not in told(compiled=True)
