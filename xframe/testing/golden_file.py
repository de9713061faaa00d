"""A golden on disk: one .npz, deflated. ``description`` is JSON as bytes, all other arrays are float64 and finite.

It is read as any other weight file is: nothing is unpickled, every length is checked before a byte is unpacked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xframe._version import __version__
from xframe.checkpoints import Budget, staged
from xframe.checkpoints.npz import Npz
from xframe.checkpoints.refusals import shown
from xframe.errors import CheckpointError, OutputError
from xframe.tensors import STORAGE, Array, TensorSpec
from xframe.testing.goldens import WHOLE, Call, Golden, Output, Weight, short_digest
from xframe.testing.sketch import LENGTH

FOLDER = "goldens"
_FORMAT = 1
_DESCRIPTION, _CALLS, _GRADIENTS, _OUTPUT = "description", "calls", "gradients", "output"
_LARGEST = 2**24  # bytes that any part may unpack to
_MOST = 10_000  # outputs, calls, tensors


class _Unfit(Exception):
    """Something of a golden is not as it was written; says what."""


def golden_path(folder: Path, name: str, column: str) -> Path:
    """``goldens/lenet5.paddle-custom.npz`` for the column ``paddle/custom``, below ``folder``."""
    return folder / FOLDER / f"{name}.{column.replace('/', '-')}.npz"


def golden_paths(folder: Path, name: str) -> list[Path]:
    """Every golden of that name, of whatever column."""
    named = (folder / FOLDER).glob("*.npz")
    return sorted(path for path in named if path.name.removesuffix(".npz").rpartition(".")[0] == name)


def write_golden(golden: Golden, path: Path) -> None:
    """Writes it whole or not at all; its folder is made if need be. Raises OutputError."""
    arrays = _arrays(golden)
    said = json.dumps(_described(golden, arrays), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent} was expected to be a folder for goldens: {error}.") from error
    with staged(path) as stage:
        with stage.path.open("wb") as file:
            held: dict[str, Any] = {_DESCRIPTION: np.frombuffer(said.encode(), np.uint8), **arrays}
            np.savez_compressed(file, **held)
        stage.publish()


def _arrays(golden: Golden) -> dict[str, Array]:
    found = {f"{_OUTPUT}{number}": output.values for number, output in enumerate(golden.outputs)}
    found[_CALLS] = _stacked(call.sketch for call in golden.calls)
    if golden.gradients is not None:
        found[_GRADIENTS] = _stacked(golden.gradients.values())
    return found


def _stacked(sketches: Any) -> Array:
    return np.array([*sketches], np.float64).reshape(-1, LENGTH)


def _described(golden: Golden, arrays: Mapping[str, Array]) -> dict[str, Any]:
    return {
        "golden": _FORMAT,
        "xframe": __version__,
        **{key: getattr(golden, key) for key in ("model", "column", "seed", "weights", "input", "probe")},
        "options": dict(golden.options),
        "tensors": [[w.spec.name, list(w.spec.shape), w.spec.dtype, w.digest] for w in golden.tensors.values()],
        "concerns": dict(golden.concerns),
        "outputs": [list(output.shape) for output in golden.outputs],
        "calls": [[call.layer, list(call.shape)] for call in golden.calls],
        "gradients": None if golden.gradients is None else [*golden.gradients],
        "attributes": {layer: dict(held) for layer, held in golden.attributes.items()},
        "versions": dict(golden.versions),
        "arrays": {name: short_digest(array) for name, array in arrays.items()},
    }


def read_golden(path: Path) -> Golden:
    """The golden at ``path``. Raises CheckpointError for a file that is none, or is not as it was written."""
    try:
        held = Npz().read(path, Budget(_LARGEST)).tensors
        described = _DESCRIPTION in held and held[_DESCRIPTION].spec.dtype == "uint8"
        _fits(described, "an archive without a description")
        for tensor in held.values():
            _fits(tensor.spec.nbytes <= _LARGEST, f"{tensor.spec.numel} values at {shown(tensor.spec.name)}")
        said = _parsed(held[_DESCRIPTION].array().tobytes())
        arrays = {name: held[name].array() for name in held if name != _DESCRIPTION}
        _check_arrays(said, arrays)
        return _golden(said, arrays)
    except OSError as error:
        raise _refused(path, shown(error)) from None
    except CheckpointError as error:
        raise _refused(path, f"a file that cannot be read as one ({error})") from None
    except _Unfit as error:
        raise _refused(path, str(error)) from None


def _refused(path: Path, found: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: expected a golden that pytest --xframe-record wrote; found {found}. Try: record it anew, or fetch it "
        f"again."
    )


def _fits(condition: object, found: str) -> None:
    if not condition:
        raise _Unfit(found)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        said = json.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise _Unfit(f"a description that is no JSON ({shown(error)})") from None
    _fits(isinstance(said, dict) and "golden" in said, "another JSON text")
    _fits(said["golden"] == _FORMAT, f"one of the format {shown(said['golden'])}, where this xframe reads {_FORMAT}")
    return dict(said)


def _check_arrays(said: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    match said.get("arrays"):
        case dict(digests) if digests.keys() == arrays.keys():
            pass
        case _:
            raise _Unfit("other arrays than its description says")
    for name, array in arrays.items():
        _fits(array.dtype == np.float64 and np.isfinite(array).all(), f"{name} with values that are no numbers")
        _fits(short_digest(array) == digests[name], f"{name} with other values than were written")


def _golden(said: Mapping[str, Any], arrays: Mapping[str, Array]) -> Golden:
    match said:
        case {
            "model": str(model), "column": str(column), "seed": int(seed), "probe": str(probe),
            "options": dict(options), "concerns": dict(concerned), "versions": dict(versions),
            "attributes": dict(attributes), "weights": str() | None as weights, "input": str() | None as input_,
            "tensors": list(tensors), "outputs": list(outputs), "calls": list(calls),
            "gradients": list() | None as gradients,
        }:  # fmt: skip
            return Golden(
                model=model, column=column, seed=seed, probe=probe, weights=weights, input=input_,
                options=options, concerns=concerned, versions=versions,
                attributes={layer: _object(held, layer) for layer, held in attributes.items()},
                tensors={weight.spec.name: weight for weight in map(_weight, _bounded(tensors))},
                outputs=tuple(_output(n, shape, arrays) for n, shape in enumerate(_bounded(outputs))),
                calls=_calls(_bounded(calls), arrays),
                gradients=None if gradients is None else _gradients(_bounded(gradients), arrays),
            )  # fmt: skip
    raise _Unfit("a description that lacks some of its parts")


def _bounded(values: list[Any]) -> list[Any]:
    _fits(len(values) <= _MOST, f"a list of {len(values)} entries")
    return values


def _object(held: Any, place: str) -> dict[str, Any]:
    _fits(isinstance(held, dict), f"no attributes at {shown(place)}")
    return dict(held)


def _weight(entry: Any) -> Weight:
    match entry:
        case [str(name), list(lengths), str(dtype), str(digest)] if dtype in STORAGE:
            return Weight(spec=TensorSpec(name, _shape(lengths), dtype), digest=digest)
    raise _Unfit(f"a tensor without name, shape, dtype and digest: {shown(entry)}")


def _shape(lengths: Any) -> tuple[int, ...]:
    fit = isinstance(lengths, list) and all(type(n) is int and 0 <= n < 2**40 for n in lengths)
    _fits(fit, f"the shape {shown(lengths)}")
    return tuple(lengths)


def _output(number: int, lengths: Any, arrays: Mapping[str, Array]) -> Output:
    shape, values = _shape(lengths), arrays.get(f"{_OUTPUT}{number}")
    kept = shape if math.prod(shape) <= WHOLE else (LENGTH,)
    if values is None or values.shape != kept:
        raise _Unfit(f"no values of shape {list(kept)} for the output {number}")
    return Output(shape=shape, values=values)


def _calls(said: Sequence[Any], arrays: Mapping[str, Array]) -> tuple[Call, ...]:
    sketches = _sketches(_CALLS, len(said), arrays)
    found = []
    for entry, kept in zip(said, sketches, strict=True):
        match entry:
            case [str(layer), list(lengths)]:
                found.append(Call(layer=layer, shape=_shape(lengths), sketch=kept))
            case _:
                raise _Unfit(f"a call without layer and shape: {shown(entry)}")
    return tuple(found)


def _gradients(said: Sequence[Any], arrays: Mapping[str, Array]) -> dict[str, Array]:
    _fits(all(isinstance(name, str) for name in said), "a gradient without a name")
    return dict(zip(said, _sketches(_GRADIENTS, len(said), arrays), strict=True))


def _sketches(name: str, count: int, arrays: Mapping[str, Array]) -> Array:
    found = arrays.get(name)
    if found is None or found.shape != (count, LENGTH):
        raise _Unfit(f"no {count} sketches at {name}")
    return found
