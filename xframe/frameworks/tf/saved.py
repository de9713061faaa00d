"""SavedModel folders as models: the signature ``serving_default``, its variables under their own names.

The dtypes stand in the graph. For float64 the folder is written again, types exchanged and variables cast, and loaded
as any other. Constants that are rounded to float32 stay rounded.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from xframe.frameworks.refusals import Unbuildable

_PROGRAM, _VARIABLES, _SIGNATURE = "saved_model.pb", "variables/variables", "serving_default"
_ENUMS = {  # of protobuf, by their full names: what float32 is called, and float64
    "tensorflow.DataType": (("DT_FLOAT", "DT_DOUBLE"), ("DT_FLOAT_REF", "DT_DOUBLE_REF")),
    "tensorflow.FullTypeId": (("TFT_FLOAT", "TFT_DOUBLE"),),
}
_REACHING = {  # operators through which a graph reaches files or Python; what restores variables is not among them
    "ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "PyFuncStateless", "EagerPyFunc", "FixedLengthRecordDataset",
    "TextLineDataset", "TFRecordDataset", "WholeFileReaderV2", "LoadAndRemapMatrix", "AppendDump", "DebugIdentityV2",
}  # fmt: skip


class Saved(tf.Module):
    """A loaded SavedModel in float32 or float64."""

    def __init__(self, path: Path, dtype: str) -> None:
        super().__init__()
        program = _program(path)
        if dtype == "float32":
            self._loaded = _load(path, path)
        elif dtype == "float64":
            with tempfile.TemporaryDirectory() as folder:
                _write_double(path, program, Path(folder))
                self._loaded = _load(Path(folder), path)
        else:
            raise Unbuildable(f"{path} is computed in float32 or float64, not in {dtype}")
        self._serve = self._loaded.signatures.get(_SIGNATURE)
        given = {} if self._serve is None else self._serve.structured_input_signature[1]
        if len(given) != 1:
            known = ", ".join(self._loaded.signatures) or "none"
            raise Unbuildable(
                f"{path} was expected to have a signature '{_SIGNATURE}' of one input; found {len(given)} inputs, and "
                f"the signatures {known}"
            )
        (self._input,) = given

    @property
    def variables(self) -> tuple[Any, ...]:
        return tuple(self._serve.variables)

    def __call__(self, inputs: Any) -> list[Any]:
        """The signature's outputs, in the order of their names."""
        gave = self._serve(**{self._input: inputs})
        return [gave[name] for name in sorted(gave)]


def _program(path: Path) -> Any:
    """The parsed saved_model.pb. Raises Unbuildable for none, and for a graph that reaches files or Python."""
    program = saved_model_pb2.SavedModel()
    try:
        program.ParseFromString((path / _PROGRAM).read_bytes())
    except (OSError, DecodeError) as error:
        raise Unbuildable(
            f"{path} was expected to be a SavedModel folder with a {_PROGRAM} in it; found none ({error})"
        ) from error
    reaching = sorted({node.op for node in _nodes(program)} & _REACHING)
    if reaching:
        raise Unbuildable(f"{path} asks for {', '.join(reaching)}, which reaches files or Python, and is refused")
    return program


def _nodes(program: Any) -> Iterator[Any]:
    for graph in program.meta_graphs:
        yield from graph.graph_def.node
        for function in graph.graph_def.library.function:
            yield from function.node_def


def _load(folder: Path, said: Path) -> Any:
    try:
        return tf.saved_model.load(str(folder))
    except (tf.errors.OpError, ValueError, KeyError, TypeError, OSError) as error:
        line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        where = "" if folder == said else " in float64"
        raise Unbuildable(
            f"{said} cannot be loaded{where}: {line.strip()}. Try: the model built from code, ./net.py:factory, "
            "and the folder by --weights"
        ) from error


def _write_double(path: Path, program: Any, folder: Path) -> None:
    """The same SavedModel in float64."""
    for node in _nodes(program):
        _spell_out(node)
    _recast(program)
    (folder / _PROGRAM).write_bytes(program.SerializeToString())
    if (path / "assets").is_dir():
        shutil.copytree(path / "assets", folder / "assets")
    (folder / "variables").mkdir()
    held = tf.train.load_checkpoint(str(path / _VARIABLES))
    names = sorted(held.get_variable_to_shape_map())
    tensors = [tf.constant(_doubled(held.get_tensor(name))) for name in names]
    tf.raw_ops.SaveV2(
        prefix=str(folder / _VARIABLES), tensor_names=names, shape_and_slices=[""] * len(names), tensors=tensors
    )


def _spell_out(node: Any) -> None:
    """Dtypes that are the operator's default are left out where a model is saved; float32 often is it."""
    known = op_def_registry.get(node.op)
    for attribute in () if known is None else known.attr:
        if attribute.type == "type" and attribute.HasField("default_value") and attribute.name not in node.attr:
            node.attr[attribute.name].CopyFrom(attribute.default_value)


def _doubled(value: Any) -> Any:
    return value.astype("float64") if getattr(value, "dtype", None) == "float32" else value


def _recast(message: Any) -> None:
    """Every dtype float32 in a message, however deep, is float64; constants are converted."""
    if isinstance(message, tensor_pb2.TensorProto):
        if message.dtype == tf.float32.as_datatype_enum:
            message.CopyFrom(tf.make_tensor_proto(tf.make_ndarray(message).astype("float64")))
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in _parts(field, value):
                _recast(part)
        elif field.enum_type is not None and field.enum_type.full_name in _ENUMS:
            _exchange(message, field, value)


def _parts(field: Any, value: Any) -> Iterator[Any]:
    """The messages in a field: one, several, or the values of a map."""
    if field.message_type.GetOptions().map_entry:
        if field.message_type.fields_by_name["value"].message_type is not None:
            yield from value.values()
    elif hasattr(value, "ListFields"):
        yield value
    else:
        yield from value


def _exchange(message: Any, field: Any, value: Any) -> None:
    numbers = {name: known.number for name, known in field.enum_type.values_by_name.items()}
    to = {numbers[one]: numbers[other] for one, other in _ENUMS[field.enum_type.full_name]}
    if isinstance(value, int):
        setattr(message, field.name, to.get(value, value))
    else:
        value[:] = [to.get(part, part) for part in value]
