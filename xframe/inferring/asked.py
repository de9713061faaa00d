"""What an inference is asked: its options, and a table without rows that has both columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from xframe.builds import NOTHING, Build
from xframe.checkpoints.budget import AMPLE
from xframe.checkpoints.model import Checkpoint
from xframe.checkpoints.selection import EVERYTHING
from xframe.errors import UsageError
from xframe.files import framework_reads, opened_weights
from xframe.mapping import Implementation, Kinds, Option, Table
from xframe.mapping.kinds import AXES


@dataclass(frozen=True, slots=True, kw_only=True)
class InferOptions:
    """What the models read, and how they are built.

    ``input`` is C × H × W, or T × D with ``axes`` "sequence"; T alone with ``tokens``, how many token ids there are.
    ``set`` are arguments of both factories, ``set_one`` by column those of one. ``out`` is where the table goes.
    """

    input: tuple[int, ...] = ()
    axes: str = "channels"
    output_axes: str = ""
    tokens: int | None = None
    seed: int = 0
    out: Path | None = None
    set: Mapping[str, Option] = field(default_factory=dict)
    set_one: Mapping[str, Mapping[str, Option]] = field(default_factory=dict)
    prove: bool = True


def skeleton(specs: tuple[str, str], options: InferOptions, known: Kinds) -> Table:
    """A table without rows: both columns, the input and the options."""
    columns = dict(_column(spec, options, known) for spec in specs)
    _check_set(options, columns)
    if len(columns) < len(specs):
        raise UsageError(f"Both sides are called '{next(iter(columns))}'. Call one {next(iter(columns))}/other=….")
    files = all(column.build == NOTHING for column in columns.values())
    if not options.input and not files:
        raise UsageError("What do the models read? Expected --input with a batch, such as 1x3x224x224.")
    axes = "sequence" if options.tokens is not None else options.axes
    return Table(
        name=options.out.stem if options.out is not None else "inferred",
        summary=f"{specs[0].partition('=')[2]} and {specs[1].partition('=')[2]}",
        file=options.out or Path("inferred.toml"),
        input=options.input,
        options=MappingProxyType(dict(options.set)),
        defaults=MappingProxyType(dict(options.set)),
        lengths=frozenset(),
        implementations=MappingProxyType(columns),
        layers=(),
        entries=(),
        input_axes=axes,
        output_axes=options.output_axes or axes,
        tokens=options.tokens,
    )


def onto(given: Table, target: str, options: InferOptions, known: Kinds) -> Table:
    """The table's first column and a new one."""
    new, column = _column(target, options, known)
    _check_set(options, [new])
    if options.input or options.tokens is not None or options.axes != AXES[0] or options.output_axes:
        raise UsageError(
            f"{given.name} says itself what its models read and give. Try: infer without --input, --tokens, --sequence "
            f"and --output-axes, or with a SOURCE=BUILD in the table's place."
        )
    if new in given.implementations:
        raise UsageError(f"{given.name} has a column '{new}' already. Call the new one {new}/other=….")
    taken = replace(column, options=tuple(name for name in options.set if name in given.options))
    first = next(iter(given.implementations.values()))
    columns = {first.name: replace(first, dialect=first.dialect), new: taken}
    return replace(given, implementations=MappingProxyType(columns), layers=(), entries=())


def _check_set(options: InferOptions, columns: Collection[str]) -> None:
    """Raises UsageError for arguments of a column that is not built here."""
    for name in options.set_one.keys() - set(columns):
        raise UsageError(f"--set {name}:… is for a column that is not inferred here. Expected: {', '.join(columns)}.")


def _column(spec: str, options: InferOptions, known: Kinds) -> tuple[str, Implementation]:
    name, equals, build = spec.partition("=")
    world = name.partition("/")[0]
    if not equals or not build:
        raise UsageError(f"A side is COLUMN=BUILD, such as torch=mypackage.nets:build; found '{spec}'.")
    if world not in known.frameworks:
        raise UsageError(f"Unknown framework '{world}' in '{spec}'. Known: {', '.join(known.frameworks)}.")
    fixed = MappingProxyType(dict(options.set_one.get(name, {})))
    try:
        parsed = NOTHING if _is_weights(build) else Build.parse(build).within(Path.cwd())
    except ValueError as error:
        missing = "" if ":" in build or Path(build).exists() else f" There is no file {build} either."
        raise UsageError(f"{name}: {error}.{missing}") from None
    if foreign := parsed.foreign_to(world):
        raise UsageError(f"{name}: {foreign}.")
    column = Implementation(
        name=name,
        framework=known.frameworks[world],
        build=parsed,
        dialect=name,
        options=tuple(options.set),
        fixed=fixed,
    )
    return name, column


def _is_weights(text: str) -> bool:
    """Whether it names a file of weights and no model: what no Build is, and a file is there."""
    try:
        Build.parse(text)
    except ValueError:
        return Path(text).is_file()
    return False


def bare(table: Table, sides: tuple[str, str]) -> tuple[Checkpoint, Checkpoint] | None:
    """Both files, where both sides are files of weights. Raises CheckpointError, or UsageError for Keras's own."""
    if any(column.build != NOTHING for column in table.implementations.values()):
        return None
    paths = [Path(side.partition("=")[2]) for side in sides]
    one, other = (
        opened_weights(path, table, column, EVERYTHING, AMPLE)
        for path, column in zip(paths, table.implementations.values(), strict=True)
    )
    for path, column in zip(paths, table.implementations.values(), strict=True):
        if framework_reads(path, column):
            raise UsageError(
                f"{path}: which variable is which only a built Keras model knows. Try: the names and arrays as .npz."
            )
    return one, other
