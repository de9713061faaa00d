"""onnxruntime, inside its worker: runs exported graphs. It has no state dict and builds from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import onnxruntime

from xframe.frameworks import Visit
from xframe.tensors import Array


class OnnxRuntime:
    """Forward passes of an .onnx file on the CPU."""

    versions: ClassVar = {"onnxruntime": onnxruntime.__version__}

    def build(self, factory: str, options: Mapping[str, Any], dtype: str) -> onnxruntime.InferenceSession:  # noqa: ARG002
        """``factory`` is the path of the .onnx file."""
        return onnxruntime.InferenceSession(factory, providers=["CPUExecutionProvider"])

    def run(
        self,
        model: onnxruntime.InferenceSession,
        inputs: Array,
        dtype: str,
        taps: Sequence[str],  # noqa: ARG002
        visit: Visit,  # noqa: ARG002
    ) -> list[Array]:
        (argument,) = model.get_inputs()
        outputs: list[Array] = model.run(None, {argument.name: inputs.astype(dtype)})
        return outputs


framework = OnnxRuntime()
