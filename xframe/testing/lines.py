"""The one line of a test file: what it asks for, kept until pytest collects it, when its tests are made of it.

test_mynet = xframe.equivalence("mynet.toml")
test_mynet_alone = xframe.golden("mynet.toml", record="paddle")
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xframe.mapping import Option

ATTRIBUTE = "xframe_line"  # of a test function: the line that it was made of
Place = str | Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EquivalenceLine:
    """What ``equivalence`` was given."""

    model: str
    pairs: Sequence[Any] | None
    columns: Sequence[str] | None
    rtol: float | None
    atol: float | None
    seed: int
    weights: Place | None
    input: Place | None
    gradients: bool
    train_steps: int
    optimizer: str
    onnx: bool
    format: str
    round_trip: bool
    set: Mapping[str, Option] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenLine:
    """What ``golden`` was given."""

    model: str
    record: str | None
    columns: Sequence[str] | None
    name: str
    rtol: float | None
    atol: float | None
    seed: int
    weights: Place | None
    input: Place | None
    gradients: bool
    set: Mapping[str, Option] = field(default_factory=dict)


Line = EquivalenceLine | GoldenLine


def equivalence(
    model: Place,
    *,
    pairs: Sequence[Any] | None = None,
    columns: Sequence[str] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
    weights: Place | None = None,
    input: Place | None = None,  # noqa: A002 - as the command line has it
    gradients: bool = False,
    train_steps: int = 0,
    optimizer: str = "momentum",
    onnx: bool = False,
    format: str = "",  # noqa: A002 - as the command line has it
    round_trip: bool = False,
    set: Mapping[str, Option] | None = None,  # noqa: A002 - as the command line has it
) -> Callable[..., None]:
    """A test for each ordered pair of a table's columns: port, prove, and compare layer by layer.

    ``model`` is a table's name or path; paths are relative to the test file. ``pairs`` are (source, target), or
    ``pytest.param`` of the two with marks; without, all pairs of ``columns``, by default of all columns. float64 is
    held to ``atol`` + ``rtol`` · max|a|, 0 and 1e-9 by default. ``weights`` are a file of the source's, so that
    ``pairs`` should have one source; without, they are random, from ``seed``. ``input`` is a .npy, N × C × H × W.
    ``gradients`` compares them too, ``train_steps`` trains both sides so many steps with ``optimizer``, ``onnx`` holds
    both exports to their models. ``format`` is the ending of the ported file, such as ".safetensors"; ``round_trip``
    wants the way back to be exact to the bit. ``set`` gives values to the table's options.

    >>> test_lenet5 = equivalence("lenet5", columns=["paddle", "torch"])
    """
    line = EquivalenceLine(
        model=str(model), pairs=pairs, columns=columns, rtol=rtol, atol=atol, seed=seed, weights=weights, input=input,
        gradients=gradients, train_steps=train_steps, optimizer=optimizer, onnx=onnx, format=format,
        round_trip=round_trip, set=set or {},
    )  # fmt: skip
    return _as_test(line)


def golden(
    model: Place,
    *,
    record: str | None = None,
    columns: Sequence[str] | None = None,
    name: str = "",
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
    weights: Place | None = None,
    input: Place | None = None,  # noqa: A002 - as the command line has it
    gradients: bool = False,
    set: Mapping[str, Option] | None = None,  # noqa: A002 - as the command line has it
) -> Callable[..., None]:
    """A test for each column of a table: it computes what one of them was recorded to compute. No other one runs.

    ``pytest --xframe-record`` writes the golden into goldens/ beside the test file, from the column ``record``, by
    default the table's first; ``--xframe-record=COLUMN`` names another. Every golden that lies there under ``name``, by
    default the table's, is held against. ``gradients`` are recorded only where they are asked for. ``weights`` are a
    file of the recorded column's: then the golden keeps digests of them, and the file must be there. The rest is as in
    ``equivalence``.

    >>> test_lenet5_alone = golden("lenet5", record="paddle")
    """
    line = GoldenLine(
        model=str(model), record=record, columns=columns, name=name, rtol=rtol, atol=atol, seed=seed, weights=weights,
        input=input, gradients=gradients, set=set or {},
    )  # fmt: skip
    return _as_test(line)


def _as_test(line: Line) -> Callable[..., None]:
    """A test function that seems to stand where the line does: pytest reports a test's file and line."""

    def test(xframe_case: Any, xframe_pool: Any, tmp_path: Path, record_property: Any) -> None:
        xframe_case.check(xframe_pool, tmp_path, record_property)

    frame = inspect.currentframe()
    caller = frame.f_back.f_back if frame is not None and frame.f_back is not None else None
    if caller is not None:
        file, line_number = caller.f_code.co_filename, caller.f_lineno
        test.__code__ = test.__code__.replace(co_filename=file, co_firstlineno=line_number)
        test.__module__ = caller.f_globals.get("__name__", test.__module__)
    setattr(test, ATTRIBUTE, line)
    return test
