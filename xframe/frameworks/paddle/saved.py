"""Paddle's inference models as models: NAME.json or NAME.pdmodel with NAME.pdiparams, without the code.

A program's dtypes stand in it. For another dtype it is written again: the program with its types exchanged, the
parameters cast, and both are loaded as any other inference model. Numbers that saving rounded to float32 stay rounded.

Only .json and .pdiparams are loaded, from a folder of our own: beside a .pdmodel Paddle would unpickle .pdiparams.info.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle.base import core

from xframe.frameworks import Backward, Changes, Cotangent, State, Visit, as_input, fits_one_file
from xframe.frameworks.attributes import Attributes
from xframe.frameworks.oddities import Oddity
from xframe.frameworks.paddle import exporting
from xframe.frameworks.paddle.model import listed, to_tensor
from xframe.frameworks.refusals import Unbuildable
from xframe.tensors import Array

_TYPES = {"float32": "0.t_f32", "float64": "0.t_f64"}  # paddle/fluid/pir/serialize_deserialize
_INPUTS = {"0.t_f32": "float32", "0.t_f64": "float64", "0.t_i64": "int64", "0.t_i32": "int32", "0.t_bool": "bool"}
_DTYPE = "1.a_dtype"
NAMES = "names"  # the one argument: what the parameters are called, in ascending order of the program's own names


class Program:
    """A loaded inference model, in float32 or float64, its parameters under the names that are given."""

    def __init__(self, path: Path, names: Sequence[str], dtype: str) -> None:
        for file in (path, path.with_suffix(".pdiparams")):
            if not file.is_file():
                raise Unbuildable(f"there is no file {file}: expected a program and its .pdiparams side by side")
        self._path, self._names = path, list(names)
        self._layers: dict[str, Any] = {}
        self._text = _program(path)
        self._values: dict[str, tuple[Array, str]] = {}
        self._values = self._read(self._loaded("float32", path.with_suffix(".pdiparams")))
        if dtype != "float32":
            self.set({name: _as(*held, dtype) for name, held in self._values.items()})

    def held(self) -> State:
        return dict(self._values)

    def set(self, state: State) -> None:
        """Every parameter. Raises ValueError on any name too many or too few."""
        if state.keys() != set(self._names):
            missing, unexpected = sorted(set(self._names) - state.keys()), sorted(state.keys() - set(self._names))
            raise ValueError(f"the state leaves {missing} unset and {unexpected} unused")
        self._values = {name: state[name] for name in self._names}
        self._layers.clear()

    def layer(self, dtype: str) -> Any:
        """The translated layer in which this dtype is computed."""
        if dtype not in _TYPES:
            raise ValueError(f"an inference model is computed in {' or '.join(_TYPES)}, not in {dtype}")
        if dtype not in self._layers:
            with tempfile.TemporaryDirectory() as folder:
                weights = Path(folder) / "held.pdiparams"
                self._save_parameters(weights, dtype)
                self._layers[dtype] = self._loaded(dtype, weights)
        return self._layers[dtype]

    def parameters(self, dtype: str) -> dict[str, Any]:
        """Paddle's own tensors of the layer in this dtype, by our names."""
        layer = self.layer(dtype)
        return self._by_name(layer)

    def _by_name(self, layer: Any) -> dict[str, Any]:
        own = layer._persistable_var_name_dict  # noqa: SLF001 - nothing else leads from a program's names to tensors
        if len(own) != len(self._names):
            raise Unbuildable(
                f"{self._path} was expected to have {len(self._names)} parameters; Paddle finds {len(own)}"
            )
        held = layer.state_dict()
        return {name: held[own[said]] for name, said in zip(self._names, sorted(own), strict=True)}

    def _read(self, layer: Any) -> dict[str, tuple[Array, str]]:
        tensors = self._by_name(layer)
        return {name: (tensor.numpy(), str(tensor.dtype).removeprefix("paddle.")) for name, tensor in tensors.items()}

    def _loaded(self, dtype: str, weights: Path) -> Any:
        """Both files side by side under one name, as Paddle wants them."""
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "model"
            said = self._text if dtype == "float32" else json.dumps(_recast(json.loads(self._text), dtype))
            place.with_suffix(".json").write_text(said)
            place.with_suffix(".pdiparams").symlink_to(weights.absolute())
            return paddle.jit.load(str(place))

    def _save_parameters(self, path: Path, dtype: str) -> None:
        """As paddle.static.io does: no names, in ascending order of the program's."""
        held = [to_tensor(*_as(*self._values[name], dtype)) for name in self._names]
        core.save_combine_func([tensor.get_tensor() for tensor in held], self._names, str(path), True, False, False)


def state(model: Program) -> State:
    """``Framework.state``."""
    return model.held()


def load(model: Program, state: State) -> None:
    """``Framework.load``."""
    model.set(state)


def load_file(model: Program, path: Path) -> None:
    """``Framework.load_file``."""
    loaded = paddle.load(str(path))
    model.set({name: (tensor.numpy(), str(tensor.dtype).removeprefix("paddle.")) for name, tensor in loaded.items()})


def save_file(model: Program, path: Path) -> None:
    """``Framework.save_file``."""
    paddle.save({name: to_tensor(*held) for name, held in model.held().items()}, str(path))


def run(model: Program, inputs: Array, dtype: str, taps: Sequence[str], visit: Visit) -> list[Array]:  # noqa: ARG001
    """``Framework.run``; there are no layers to tap."""
    layer = model.layer(dtype)
    layer.eval()
    with paddle.no_grad():
        return [output.numpy() for output in listed(layer(paddle.to_tensor(as_input(inputs, dtype))))]


def replay(model: Program, layer: str, reads: Sequence[Array], dtype: str, changes: Changes) -> list[Array]:  # noqa: ARG001
    """``Framework.replay``."""
    raise ValueError(f"an inference model has no layers, so there is no {layer}")


def layers(model: Program) -> dict[str, str]:  # noqa: ARG001
    """``Framework.layers``: the program has operators, which bear no layer's name."""
    return {}


def attributes(model: Program) -> dict[str, Attributes]:  # noqa: ARG001
    """``Framework.attributes``."""
    return {}


def oddities(model: Program, inputs: Array) -> list[Oddity]:  # noqa: ARG001
    """``Framework.oddities``."""
    return []


def trainable(model: Program) -> list[str]:
    """``Framework.trainable``."""
    return [name for name, tensor in model.parameters("float32").items() if not tensor.stop_gradient]


def export_onnx(
    model: Program,
    path: Path,
    inputs: Array,
    *,
    opset: int | None,
    external: bool,  # noqa: ARG001 - it writes one file only
) -> str:
    """``Framework.export_onnx``."""
    fits_one_file(model.held())
    layer = model.layer("float32")
    layer.eval()
    return exporting.exported(layer, path, inputs, opset=opset)


def gradients(model: Program, inputs: Array, dtype: str, cotangent: Cotangent) -> Backward:
    """``Framework.gradients``. A translated layer differentiates in training mode only; its graph stays as it is."""
    layer, wanted = model.layer(dtype), model.parameters(dtype)
    wanted = {name: tensor for name, tensor in wanted.items() if not tensor.stop_gradient}
    floating = inputs.dtype.kind == "f"
    x = paddle.to_tensor(as_input(inputs, dtype), stop_gradient=not floating)
    layer.train()
    try:
        outputs = listed(layer(x))
        seeds = [paddle.to_tensor(cotangent(n, tuple(y.shape)).astype(dtype)) for n, y in enumerate(outputs)]
        found = paddle.grad(outputs, [*wanted.values(), *([x] if floating else [])], seeds, allow_unused=True)
    finally:
        layer.eval()
    arrays = [np.zeros(0) if part is None else part.numpy() for part in found]
    by_name = {
        name: part if part.size else np.zeros(wanted[name].shape, dtype)
        for name, part in zip(wanted, arrays, strict=False)
    }
    return Backward(by_name, arrays[-1] if floating and arrays[-1].size else np.zeros(inputs.shape, dtype))


def _program(path: Path) -> str:
    """The program in PIR's JSON; an old .pdmodel is translated first."""
    if path.suffix == ".json":
        return path.read_text()
    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder) / "model.json")
        program = paddle.pir.translate_to_pir(core.ProgramDesc(path.read_bytes()))
        core.serialize_pir_program(program, place, True, False, True)
        return json.dumps(_settled(_fed(json.loads(Path(place).read_text()))))


def _fed(node: Any) -> Any:
    """A program with inputs as PIR's own have them: at ``feed`` paddle.jit.load asks for ``op.attr()`` (3.3.1)."""
    if isinstance(node, list):
        return [_fed(part) for part in node]
    if not isinstance(node, dict) or node.get("#") != "1.feed":
        return {key: _fed(part) for key, part in node.items()} if isinstance(node, dict) else node
    (name,) = (attribute for attribute in node["A"] if attribute["N"] == "name")
    kind, shape, *_ = node["O"][0]["TT"]["D"]
    if kind["#"] not in _INPUTS:
        raise Unbuildable(f"an input of the program is a {kind['#']}; expected one of {', '.join(_INPUTS.values())}")
    said = {"shape": ("1.a_intarray", shape), "dtype": (_DTYPE, _INPUTS[kind["#"]]), "place": ("1.a_place", [0, 0, ""])}
    further = [{"AT": {"#": form, "D": value}, "N": key} for key, (form, value) in said.items()]
    flags = [attribute for attribute in node["OA"] if attribute["N"] == "stop_gradient"]
    return {**node, "#": "1.data", "A": [name, *further], "OA": flags}


def _settled(program: Any) -> Any:
    """Running statistics are not trained: a .pdmodel's parameters do not say so, PIR's do, as (…, frozen, trained)."""
    (region,) = program["program"]["regions"]
    operators = region["blocks"][0]["ops"]
    norms = [operator["I"] for operator in operators if operator["#"] in ("1.batch_norm", "1.batch_norm_")]
    statistics = {read["%"] for reads in norms for read in reads[1:3]}
    for operator in operators:
        if operator["#"] == "p" and operator["O"]["%"] in statistics:
            operator["OA"] = [1, 1, 0]
    return program


def _recast(node: Any, dtype: str) -> Any:
    """A program whose float32 is ``dtype`` throughout: types of values, and dtypes that operators are told."""
    if isinstance(node, list):
        return [_recast(part, dtype) for part in node]
    if not isinstance(node, dict):
        return node
    if node.get("#") == _TYPES["float32"]:
        return {**node, "#": _TYPES[dtype]}
    if node.get("#") == _DTYPE and node.get("D") == "float32":
        return {**node, "D": dtype}
    return {key: _recast(part, dtype) for key, part in node.items()}


def _as(array: Array, said: str, dtype: str) -> tuple[Array, str]:
    return (array.astype(dtype), dtype) if said in _TYPES else (array, said)
