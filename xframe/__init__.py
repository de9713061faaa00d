"""Move weights between Paddle, PyTorch and Keras, and prove that nothing changed.

>>> import xframe
>>> xframe.port("resnet18", "paddle", "torch").verdict  # doctest: +SKIP
'equivalent'

The names load what they need when they are first used: ``import xframe`` loads no numpy, and no framework ever.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from xframe._version import __version__

if TYPE_CHECKING:
    from xframe.checkpoints import read
    from xframe.comparison import Comparison, Tolerance, compare
    from xframe.errors import XframeError
    from xframe.inferring.asked import InferOptions
    from xframe.inferring.result import InferResult
    from xframe.mapping import load_table
    from xframe.proving.diff_result import DiffResult
    from xframe.proving.onnx.graph_diff import GraphDiff
    from xframe.proving.onnx.result import OnnxResult
    from xframe.proving.verdict import PortResult
    from xframe.testing import equivalence, golden
    from xframe.workers import Pool
    from xframe.workflows.check import check
    from xframe.workflows.convert import ConvertOptions, convert
    from xframe.workflows.diff import DiffOptions, diff
    from xframe.workflows.diff_graphs import diff_graphs
    from xframe.workflows.infer import infer
    from xframe.workflows.onnx import OnnxOptions, onnx
    from xframe.workflows.port import PortOptions, port
    from xframe.workflows.verify import VerifyResult, verify

__all__ = [
    "Comparison", "ConvertOptions", "DiffOptions", "DiffResult", "GraphDiff", "InferOptions", "InferResult",
    "OnnxOptions", "OnnxResult", "Pool", "PortOptions", "PortResult", "Tolerance", "VerifyResult", "XframeError",
    "__version__", "check", "compare", "convert", "diff", "diff_graphs", "equivalence", "golden", "infer", "load_table",
    "onnx", "port", "read", "verify",
]  # fmt: skip

_HOMES = {
    "Comparison": "comparison",
    "ConvertOptions": "workflows.convert",
    "DiffOptions": "workflows.diff",
    "DiffResult": "proving.diff_result",
    "GraphDiff": "proving.onnx.graph_diff",
    "InferOptions": "inferring.asked",
    "InferResult": "inferring.result",
    "OnnxOptions": "workflows.onnx",
    "OnnxResult": "proving.onnx.result",
    "Pool": "workers",
    "PortOptions": "workflows.port",
    "PortResult": "proving.verdict",
    "Tolerance": "comparison",
    "VerifyResult": "workflows.verify",
    "XframeError": "errors",
    "check": "workflows.check",
    "compare": "comparison",
    "convert": "workflows.convert",
    "diff": "workflows.diff",
    "diff_graphs": "workflows.diff_graphs",
    "equivalence": "testing",
    "golden": "testing",
    "infer": "workflows.infer",
    "load_table": "mapping",
    "onnx": "workflows.onnx",
    "port": "workflows.port",
    "read": "checkpoints",
    "verify": "workflows.verify",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'xframe' has no attribute '{name}'")
    return getattr(importlib.import_module(f"xframe.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
