"""onnxruntime, and onnx for what it does not say, inside their worker. A graph is a file, not a model that is built."""

from __future__ import annotations

from typing import ClassVar

import onnx
import onnxruntime


class Onnx:
    """What the worker is; its commands are those of ``graph_service``."""

    versions: ClassVar = {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}


framework = Onnx()
