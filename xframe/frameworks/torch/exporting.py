"""Exports of a ``torch.nn.Module`` to ONNX, by the exporter that traces with torch.export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from xframe.frameworks import fits_one_file
from xframe.frameworks.torch.model import state
from xframe.tensors import Array


def export_onnx(model: torch.nn.Module, path: Path, inputs: Array, *, opset: int | None, external: bool) -> str:
    """``Framework.export_onnx``."""
    if not external:
        fits_one_file(state(model))
    example = torch.from_numpy(inputs if inputs.dtype.kind in "iu" else inputs.astype(np.float32))
    batch = torch.export.Dim("batch")
    asked: dict[str, Any] = {} if opset is None else {"opset_version": opset}
    torch.onnx.export(
        model.to(torch.float32).eval(), (example,), str(path), dynamo=True, dynamic_shapes=({0: batch},),
        input_names=["input"], external_data=external, verbose=False, **asked,
    )  # fmt: skip
    return f"torch.onnx {torch.__version__}"
