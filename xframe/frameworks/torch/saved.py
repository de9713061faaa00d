"""TorchScript files as models: what ``torch.jit.save`` wrote runs without the code that it was made of.

torch.jit.load compiles the source in the file and reads its pickles with a reader of its own (unpickler.cpp in
torch/csrc/jit/serialization), which imports nothing and calls nothing of Python. The graph then computes what it says.
"""

from __future__ import annotations

import weakref
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from xframe.frameworks import Backward, Changes, Cotangent, NotInEvaluation, Visit, as_input, fits_one_file
from xframe.frameworks.refusals import Unbuildable
from xframe.frameworks.torch import backward, watched
from xframe.frameworks.torch.model import listed, state, to_tensor
from xframe.tensors import Array

_MARK = "constants.pkl"  # TorchScript has it, a state dict has not
_MODES = ("train", "training")
_files: weakref.WeakKeyDictionary[Any, Path] = weakref.WeakKeyDictionary()


def load(path: Path, dtype: str) -> torch.jit.ScriptModule:
    """The model, its layers ready to be watched. Raises Unbuildable."""
    model = plain(path)
    if not model.state_dict():
        raise Unbuildable(
            f"{path} was expected to hold tensors under names; found none, as torch.jit.freeze leaves a model: its "
            "weights are constants of the graph. Try: the file of the model before it was frozen"
        )
    if modes := sorted(set(_trained(model))):
        raise Unbuildable(
            f"{path} was traced in training mode, and its graph stays in it ({', '.join(modes)}). "
            "Try: model.eval() before torch.jit.trace"
        )
    watched.watch(model)
    _files[model] = path
    return model.to(getattr(torch, dtype)).eval()


def plain(path: Path) -> torch.jit.ScriptModule:
    """The model as the file has it, for an exporter."""
    _check(path)
    try:
        return torch.jit.load(str(path), map_location="cpu")
    except (RuntimeError, ValueError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise Unbuildable(f"{path} was expected to be TorchScript; torch.jit.load says: {lines[0]}") from error


def run(model: torch.jit.ScriptModule, inputs: Array, dtype: str, taps: Sequence[str], visit: Visit) -> list[Array]:
    """``Framework.run``."""
    _evaluating(model, dtype)
    with torch.inference_mode(), watched.listening(dtype, taps, visit):
        outputs = model(torch.from_numpy(as_input(inputs, dtype)))
    training = [name or "the model" for name, module in model.named_modules() if getattr(module, "training", False)]
    if training:
        raise NotInEvaluation(", ".join(training))
    return [output.numpy() for output in listed(outputs)]


def replay(
    model: torch.jit.ScriptModule, layer: str, reads: Sequence[Array], dtype: str, changes: Changes
) -> list[Array]:
    """``Framework.replay``: other tensors, no other attributes, which the graph has as constants."""
    if changes.attributes:
        raise ValueError(f"a layer of TorchScript has no {', '.join(changes.attributes)} that can be set")
    module = watched.callable_layers(_evaluating(model, dtype))[layer]
    method = next(name for name in module._c._method_names() if name.startswith("forward"))  # noqa: SLF001
    arguments = [torch.from_numpy(as_input(array, dtype)) for array in reads]
    tensors = {name: to_tensor(*held) for name, held in changes.tensors.items()}
    with torch.inference_mode(), watched.listening(dtype), _holding(module, tensors):
        return [part.numpy() for part in listed(getattr(module, method)(*arguments))]


def gradients(model: torch.jit.ScriptModule, inputs: Array, dtype: str, cotangent: Cotangent) -> Backward:
    """``Framework.gradients``."""
    with watched.listening(dtype):
        return backward.gradients(model, inputs, dtype, cotangent)


def layers(model: torch.jit.ScriptModule) -> dict[str, str]:
    """``Framework.layers``, by the classes that they had in Python."""
    return {name: module.original_name for name, module in watched.callable_layers(model).items()}


def export_onnx(
    model: torch.jit.ScriptModule,
    path: Path,
    inputs: Array,
    *,
    opset: int | None,
    external: bool,  # noqa: ARG001 - it writes one file only
) -> str:
    """``Framework.export_onnx``, by the exporter for graphs: torch.export takes no TorchScript (2.13)."""
    fits_one_file(state(model))
    fresh = plain(_files[model])  # our own operators are in the graphs of the other
    fresh.load_state_dict(model.state_dict())
    example = torch.from_numpy(as_input(inputs, "float32"))
    asked: dict[str, Any] = {} if opset is None else {"opset_version": opset}
    torch.onnx.export(
        fresh.to(torch.float32).eval(), (example,), str(path), dynamo=False, dynamic_axes={"input": {0: "batch"}},
        input_names=["input"], **asked,
    )  # fmt: skip
    return f"torch.onnx {torch.__version__} (TorchScript)"


def _check(path: Path) -> None:
    """Raise Unbuildable for what is no TorchScript, before anything of it is read as such."""
    if not path.is_file():
        raise Unbuildable(f"there is no file {path}: expected TorchScript, as torch.jit.save writes it")
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise Unbuildable(f"{path} was expected to be TorchScript; found no zip archive ({error})") from error
    if not any(name.partition("/")[2] == _MARK for name in names):
        raise Unbuildable(
            f"{path} was expected to be TorchScript; found what torch.save writes, which holds weights and no model, "
            "or a model only together with its code. Try: ./net.py:Net as the build and the file by --weights, or "
            "torch.jit.save(torch.jit.script(model), …)"
        )


def _trained(model: torch.jit.ScriptModule) -> Iterator[str]:
    """Operators that are told to train, whatever mode the model is put into."""
    for graph in watched.graphs(model):
        for node in watched.nodes(graph):
            if any(value is True for _, value in watched.said(node, *_MODES)):
                yield node.kind().removeprefix("aten::")


def _evaluating(model: Any, dtype: str) -> Any:
    return model.to(getattr(torch, dtype)).eval()


@contextmanager
def _holding(module: torch.jit.ScriptModule, tensors: dict[str, torch.Tensor]) -> Iterator[None]:
    """The layer with other values in some of its tensors, until the end."""
    held = module.state_dict()
    before = {name: held[name].clone() for name in tensors}
    try:
        for name, tensor in tensors.items():
            held[name].copy_(tensor)
        yield
    finally:
        for name, tensor in before.items():
            held[name].copy_(tensor)
