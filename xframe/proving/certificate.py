"""What a port leaves beside its file: which tensors are in it, and what was proven of them, how, and with what."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xframe._version import __version__
from xframe.checkpoints import staged
from xframe.checkpoints.refusals import refusal, shown
from xframe.comparison import Tolerance
from xframe.digests import digest_of_file
from xframe.errors import CheckpointError
from xframe.mapping import Table
from xframe.proving.verdict import PortResult
from xframe.tensors import STORAGE, TensorSpec

ENDING = ".xframe.json"
_VERSION = 1
_LARGEST = 2**28  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What ``verify`` needs of a certificate: the tensors of the file, each with its digest, and the verdict."""

    path: Path
    model: str
    source: str
    target: str
    verdict: str
    tensors: Mapping[str, tuple[TensorSpec, str]]


def certificate_path(out: Path) -> Path:
    """``resnet18.pth`` has its certificate in ``resnet18.pth.xframe.json``."""
    return out.with_name(f"{out.name}{ENDING}")


def write_certificate(result: PortResult, out: Path, tolerance: Tolerance, probe: Mapping[str, Any]) -> Path:
    """Writes the certificate of a port whose file is ``out``; returns where it stands.

    ``probe`` says what both sides were run on: the file or the seed, and the shape.
    """
    said, plan = result.to_json(), result.plan
    tensors = {
        step.target.name: {
            "dtype": step.target.dtype,
            "shape": list(step.target.shape),
            "digest": result.digests[step.target.name],
        }
        for step in plan.steps
    }
    content = {
        "certificate": _VERSION,
        "xframe": __version__,
        **{key: said[key] for key in ("model", "source", "target", "verdict")},
        "table": {"file": plan.table.file.name, "digest": digest_of_file(plan.table.file)},
        "options": dict(plan.table.options),
        "builds": {end: _built(plan.table, said[end]) for end in ("source", "target")},
        "weights": result.weights,
        "file": {"name": out.name, "bytes": result.nbytes},
        "probe": dict(probe),
        "tolerance": {"atol": tolerance.atol, "rtol": tolerance.rtol},
        **{key: said[key] for key in ("float64", "float32", "onnx", "fold_rounding", "conversion")},
        **{key: said[key] for key in ("notes", "precision", "versions", "optimizer")},
        **{key: said["tensors"][key] for key in ("filled", "dropped", "nonfinite", "unproven")},
        "tensors": tensors,
    }
    path = certificate_path(out)
    with staged(path) as stage:
        stage.path.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        stage.publish()
    return path


def _built(table: Table, implementation: str) -> dict[str, Any]:
    """Where a side's model came from, and the digest of each file that it was built of."""
    build = table.implementations[implementation].build
    root = Path(build.place).parent
    files = {str(file.relative_to(root)): digest_of_file(file) for file in build.files()}
    return {"build": build.said, "files": files}


def read_certificate(path: Path) -> Certificate:
    """The certificate at ``path``. Raises CheckpointError for a file that is none."""
    match _json(path):
        case {
            "certificate": 1, "model": str(model), "source": str(source), "target": str(target),
            "verdict": str(verdict), "tensors": dict(tensors),
        }:  # fmt: skip
            found = {name: _tensor(path, name, entry) for name, entry in tensors.items()}
            return Certificate(path=path, model=model, source=source, target=target, verdict=verdict, tensors=found)
    raise _no_certificate(path, "another JSON file, or a certificate of a newer xframe")


def _json(path: Path) -> object:
    try:
        if path.stat().st_size > _LARGEST:
            raise _no_certificate(path, "a file of over 256 MB")
        raw = path.read_bytes()
        said: object = json.loads(raw.decode())
    except OSError as error:
        raise _no_certificate(path, shown(error)) from None
    except UnicodeDecodeError:
        raise _no_certificate(path, f"a binary file, no JSON: it starts with {raw[:8].hex(' ')}") from None
    except (ValueError, RecursionError) as error:
        raise _no_certificate(path, f"no JSON ({shown(error)})") from None
    return said


def _tensor(path: Path, name: str, entry: object) -> tuple[TensorSpec, str]:
    match entry:
        case {"dtype": str(dtype), "shape": [*lengths], "digest": str(digest)} if dtype in STORAGE:
            if all(type(length) is int and length >= 0 for length in lengths):
                return TensorSpec(name, tuple(lengths), dtype), digest
    raise _no_certificate(path, f"no dtype, shape and digest for {name!a}")


def _no_certificate(path: Path, found: str) -> CheckpointError:
    """What to try is the certificate beside ``path``, if there is one: the two arguments may be the wrong way round."""
    beside = certificate_path(path)
    attempt = f"xframe verify {shlex.join([str(beside), str(path)])}" if beside.exists() else f"FILE{ENDING}"
    return refusal(path, expected="a certificate that a port wrote, in JSON", found=found, attempt=attempt)
