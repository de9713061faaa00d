"""onnxruntime, and onnx for what it does not say, inside their worker. A graph is a file, not a model that is built."""

from __future__ import annotations

from importlib import metadata
from typing import ClassVar

import onnxruntime


class Onnx:
    """What the worker is; its commands are those of ``graph_service``. onnx is loaded when one needs it."""

    versions: ClassVar = {
        "onnxruntime": onnxruntime.__version__,
        **{found.name: found.version for found in metadata.distributions(name="onnx")},
    }


framework = Onnx()
