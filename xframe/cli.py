"""The command line: parse, call, render. What it prints on stdout is the result; everything else goes to stderr."""

from __future__ import annotations

import functools
import json
import sys
import tomllib
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from xframe._version import __version__
from xframe.errors import ProblemsError, UsageError, XframeError

INTERRUPTED = 3
BUG = 3

app = typer.Typer(
    name="xframe",
    help="Move weights between Paddle, PyTorch and Keras, and prove that nothing changed.",
    epilog="Exit codes: 0 equivalent, or done · 1 different · 2 refused: bad input, table or usage · 3 a framework is "
    "missing or its worker died.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Model = Annotated[str, typer.Argument(help="A name from `xframe list`, or the path of a table of your own.")]
Source = Annotated[str, typer.Argument(help="The implementation that the weights come from: a column of the table.")]
Target = Annotated[str, typer.Argument(help="The implementation that they go to.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks, the worker's too.")]
Dtype = Annotated[
    str | None, typer.Option(help="Convert floating-point tensors on purpose: float16, bfloat16, float32, float64 …")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="An option of the table, such as num_classes=10; repeatable."),
]


def main() -> None:
    """The entry point of the `xframe` command."""
    app()


def _guarded(command: Callable[..., int | None]) -> Callable[..., None]:
    """Errors become one paragraph on stderr and an exit code; a traceback only under --debug."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            code = command(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:
            if kwargs.get("debug"):
                traceback.print_exc()
            _report_error(error, as_json=bool(kwargs.get("json_")), command=command.__name__.rstrip("_"))
            code = _exit_code(error)
        raise typer.Exit(code or 0)

    return run


def _exit_code(error: BaseException) -> int:
    if isinstance(error, XframeError):
        return error.exit_code
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else BUG


def _report_error(error: BaseException, *, as_json: bool, command: str) -> None:
    if isinstance(error, KeyboardInterrupt):
        message = "Interrupted. Nothing was written; the workers have ended."
    elif isinstance(error, XframeError):
        message = str(error)
    else:
        message = f"xframe itself failed ({type(error).__name__}: {error}). This is a bug; --debug shows where."
    if as_json:
        problems = [problem.to_json() for problem in error.problems] if isinstance(error, ProblemsError) else []
        code = _exit_code(error)
        _print_json(
            {
                "command": command,
                "verdict": "refused" if code == 2 else "failed",
                "error": message,
                "problems": problems,
                "exit_code": code,
            }
        )
    print(f"xframe: {message}", file=sys.stderr)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def _show(renderable: Any) -> None:
    from xframe.report.text import console

    console().print(renderable)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A spinner with the step's name on stderr; nothing where that is not a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _step: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from xframe.report.text import console

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=None)
        yield lambda step: progress.update(task, description=step)


def _options(settings: list[str] | None) -> dict[str, Any]:
    """``num_classes=10`` as TOML reads it; a bare word is a string."""
    options = {}
    for setting in settings or []:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise UsageError(f"--set takes NAME=VALUE, such as num_classes=10; found '{setting}'.")
        try:
            options[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[name] = value
    return options


def _version(wanted: bool) -> None:
    if wanted:
        print(f"xframe {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


@app.command()
@_guarded
def port(
    model: Model,
    source: Source,
    target: Target,
    weights: Annotated[
        Path | None, typer.Option(help="The source's weights; without it they are random, every tensor different.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where to write; the extension picks the format. Default: MODEL with the target's own."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="For random weights and the random input.")] = 0,
    dtype: Dtype = None,
    atol: Annotated[float, typer.Option(min=0, help="float64: |a−b| ≤ atol + rtol·max|a|.")] = 0.0,
    rtol: Annotated[float, typer.Option(min=0)] = 1e-9,
    verify: Annotated[
        bool,
        typer.Option("--verify/--no-verify", help="Run both sides and compare; without, the file is only written."),
    ] = True,
    input_: Annotated[
        Path | None, typer.Option("--input", metavar="FILE.npy", help="An input of your own, N×C×H×W.")
    ] = None,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Export both sides to ONNX too and hold the exports to the verdict.")
    ] = False,
    set_: Set = None,
    json_: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Move weights and prove it: load, read back, run both sides in float64. The file appears only if equivalent.

    [dim]xframe port resnet18 paddle torch --weights mine.pdparams --out mine.pth[/]
    """
    from xframe.compare import Tolerance
    from xframe.port import PortOptions
    from xframe.port import port as carry_out

    options = PortOptions(
        weights=weights, out=out, seed=seed, dtype=dtype, tolerance=Tolerance(atol=atol, rtol=rtol), verify=verify,
        input=input_, onnx=onnx, set=_options(set_),
    )  # fmt: skip
    with _progress(quiet=quiet or json_) as progress:
        result = carry_out(model, source, target, options, progress=progress)
    if json_:
        _print_json(result.to_json())
    elif not quiet:
        from xframe.report import render_port

        _show(render_port(result))
    return result.exit_code


@app.command()
@_guarded
def convert(
    model: Model,
    source: Source,
    target: Target,
    weights: Annotated[
        Path, typer.Argument(metavar="IN", help="The source's weights, in any format that xframe reads.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where to write; the extension picks the format.")],
    dtype: Dtype = None,
    set_: Set = None,
    json_: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Weights only: strict by the table, no framework imported, nothing run and so nothing proven.

    [dim]xframe convert resnet18 paddle torch mine.pdparams mine.pth[/]
    """
    from xframe.convert import convert as carry_out

    with _progress(quiet=quiet or json_) as progress:
        result = carry_out(model, source, target, weights, out, dtype=dtype, options=_options(set_), progress=progress)
    if json_:
        _print_json(result.to_json())
    elif not quiet:
        from xframe.report.text import render_convert

        _show(render_convert(result))


@app.command(name="list")
@_guarded
def list_(json_: Json = False, debug: Debug = False) -> None:  # noqa: ARG001
    """The architectures that xframe knows, and their implementations."""
    from xframe.listing import models
    from xframe.report.tables import render_models

    found = models()
    if json_:
        _print_json({"command": "list", "models": [model.to_json() for model in found]})
    else:
        _show(render_models(found))


@app.command()
@_guarded
def show(
    model: Model,
    source: Annotated[str | None, typer.Argument(help="With TARGET: the tensor-level table of that port.")] = None,
    target: Annotated[str | None, typer.Argument()] = None,
    set_: Set = None,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """The mapping table: layers across implementations, or every tensor of one port: shapes, rearrangement, fill."""
    from xframe.listing import tensor_rows
    from xframe.mapping import load_table
    from xframe.report.tables import render_layers, render_plan

    table = load_table(model, _options(set_))
    if source is None or target is None:
        if source is not None:
            raise UsageError(
                f"`xframe show {model} {source}` names a source but no target. "
                f"Implementations: {', '.join(table.implementations)}."
            )
        if json_:
            _print_json(
                {
                    "command": "show",
                    "model": table.name,
                    "layers": [{"kind": layer.kind.name, **layer.names} for layer in table.layers],
                }
            )
        else:
            _show(render_layers(table))
        return
    rows = list(tensor_rows(table, source, target))
    if json_:
        _print_json(
            {
                "command": "show",
                "model": table.name,
                "source": source,
                "target": target,
                "tensors": [row.to_json() for row in rows],
            }
        )
    else:
        _show(render_plan(source, target, rows))


@app.command()
@_guarded
def check(
    tables: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TABLE]…", help="Names or paths; all that come with xframe by default."),
    ] = None,
    build: Annotated[
        bool, typer.Option("--build/--no-build", help="Also build every implementation and compare its state dict.")
    ] = True,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Validate mapping tables: every problem at once, each with its place in the file."""
    from contextlib import ExitStack

    from xframe.check import check as examine
    from xframe.mapping import table_names
    from xframe.report import render_check
    from xframe.workers import Pool

    with ExitStack() as stack, _progress(quiet=json_) as progress:
        pool = stack.enter_context(Pool()) if build else None
        results = [examine(table, pool=pool, progress=progress) for table in tables or table_names()]
    if json_:
        _print_json({"command": "check", "tables": [result.to_json() for result in results]})
    else:
        for result in results:
            _show(render_check(result))
    return 0 if all(results) else 2


@app.command()
@_guarded
def inspect(
    file: Annotated[Path, typer.Argument(help="A weight file of any format that xframe reads.")],
    digests: Annotated[
        bool, typer.Option("--digests/--no-digests", help="sha256 of every tensor; reads the whole file.")
    ] = True,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Tensors, shapes, dtypes, sizes and digests of a weight file. Nothing in it is executed, no framework imported."""
    from xframe import checkpoints
    from xframe.listing import checkpoint_json, owner
    from xframe.listing import digests as digests_of
    from xframe.report.tables import render_checkpoint

    checkpoint = checkpoints.read(file)
    found = digests_of(checkpoint) if digests else {}
    if json_:
        _print_json(checkpoint_json(checkpoint, found))
    else:
        _show(render_checkpoint(checkpoint, found, owner(checkpoint)))


@app.command()
@_guarded
def doctor(
    frameworks: Annotated[
        list[str] | None, typer.Argument(metavar="[FRAMEWORK]…", help="paddle, torch, keras, onnx; all by default.")
    ] = None,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Which frameworks are found, in which interpreters and versions, and what is known to clash.

    Exit code 3 if a framework that you name is missing.
    """
    from xframe.doctor import FRAMEWORKS, examine
    from xframe.report import render_diagnosis

    unknown = [name for name in frameworks or [] if name not in FRAMEWORKS]
    if unknown:
        raise UsageError(f"Unknown framework '{unknown[0]}'. Known: {', '.join(FRAMEWORKS)}.")
    with _progress(quiet=json_) as progress:
        progress("importing every framework")
        diagnosis = examine(frameworks or FRAMEWORKS)
    if json_:
        _print_json(diagnosis.to_json())
    else:
        _show(render_diagnosis(diagnosis))
    return 3 if frameworks and any(finding.error for finding in diagnosis.findings) else 0


if __name__ == "__main__":
    main()
