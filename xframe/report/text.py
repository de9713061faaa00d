"""Verdicts and summaries, in colour where the terminal has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleRenderable, Group
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from xframe.dtypes import Loss
from xframe.report.training import add_optimizer
from xframe.report.units import counted, figure, size

if TYPE_CHECKING:  # a report must not load what it reports on: `xframe convert` starts no worker
    from xframe.planning import PortPlan
    from xframe.proving.causes import Cause
    from xframe.proving.divergence import Divergence
    from xframe.proving.onnx.parity import Parity
    from xframe.proving.verdict import PortResult, Proof
    from xframe.workflows.check import CheckResult
    from xframe.workflows.convert import ConvertResult
    from xframe.workflows.doctor import Diagnosis, Finding
    from xframe.workflows.verify import VerifyResult

_MOST_NAMES = 8
_UNBOUNDED = 10_000  # columns; a pipe has no width
_NOT_COMPILED = (
    "xframe was installed without a C compiler: large conversions take longer. Try: pip install --force-reinstall "
    "--no-deps xframe, with one."
)
COLOURS = {"equivalent": "bold green", "different": "bold red"}


def rows() -> Grid:
    """Labels on the left, what is said of them on the right."""
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def title(plan: PortPlan, verdict: str = "") -> Text:
    """Model, both ends, verdict."""
    line = Text.assemble((plan.table.name, "bold"), f"  {plan.source} → {plan.target}")
    return line.append(f"  {verdict}", COLOURS.get(verdict, "bold yellow")) if verdict else line


def render_port(result: PortResult) -> ConsoleRenderable:
    """The verdict, and every figure that it rests on."""
    grid = rows()
    grid.add_row("weights", escape(result.weights))
    grid.add_row("tensors", _tensors(result.plan))
    _add_drops(grid, result.plan)
    _add_loss(grid, result.loss)
    if result.nonfinite:
        grid.add_row("[yellow]NaN or Inf[/]", escape(", ".join(result.nonfinite)))
    if result.proof is not None:
        _add_proof(grid, result, result.proof)
    else:
        grid.add_row("proof", "[yellow]none: --no-verify[/]")
    if result.optimizer is not None:
        add_optimizer(grid, result.optimizer)
    for note in result.notes:
        grid.add_row("note", escape(note))
    grid.add_row("wrote", f"{escape(str(result.out))}  ({size(result.nbytes)})" if result.out else "[red]nothing[/]")
    if result.certificate is not None:
        grid.add_row("", escape(str(result.certificate)))
    grid.add_row("took", seconds_line(result.seconds))
    return Group(title(result.plan, result.verdict), grid)


def _add_drops(grid: Grid, plan: PortPlan) -> None:
    """A line a reason, however many tensors it is about."""
    reasons: dict[str, list[str]] = {}
    for drop in plan.dropped:
        reasons.setdefault(drop.because, []).append(drop.source.name)
    for because, (first, *others) in reasons.items():
        more = f" and {len(others)} more" if others else ""
        grid.add_row("", escape(f"dropped {first}{more}: {because}"))


def _tensors(plan: PortPlan) -> str:
    parts = [f"{len(plan.moves)} moved", f"{len(plan.filled)} filled", f"{len(plan.dropped)} dropped"]
    return " · ".join(parts)


def _add_loss(grid: Grid, loss: Loss) -> None:
    if loss != Loss():
        grid.add_row("converted", f"{loss.rounded} values rounded, {loss.overflowed} overflowed to infinity")


def _add_proof(grid: Grid, result: PortResult, proof: Proof) -> None:
    f64, f32 = proof.float64, proof.float32
    grid.add_row(
        "float64", f64.reason or f"max |a−b| {figure(f64.max_abs)}, relative {figure(f64.max_rel)}; this decides"
    )
    noise = f"{result.plan.source} {figure(proof.noise_source)}, {result.plan.target} {figure(proof.noise_target)}"
    grid.add_row("float32", f32.reason or f"max |a−b| {figure(f32.max_abs)}, relative {figure(f32.max_rel)}")
    grid.add_row("", f"own rounding: {noise}")
    if proof.fold_rounding is not None:
        grid.add_row(
            "folded", f"rounding the folded tensor to its dtype moves the outputs by {figure(proof.fold_rounding)}"
        )
    if proof.blind:
        grid.add_row("[red]blind[/]", "the outputs are the same for every input, so they prove nothing; try --input")
    if proof.unproven:
        grid.add_row("[yellow]unproven[/]", escape(f"{_few(proof.unproven)}: the outputs do not depend on them"))
        grid.add_row("", f"they depend on {counted(proof.seen or 0, 'other tensor')}")
    for parity in proof.parities:
        grid.add_row(f"onnx {escape(parity.implementation)}", _parity(parity))
        grid.add_row("", escape(str(parity.weights)))
    if proof.divergence is not None:
        grid.add_row("[red]parts at[/]", divergence_line(proof.divergence))
        add_causes(grid, proof.divergence.causes)


def add_causes(grid: Grid, causes: Sequence[Cause]) -> None:
    """Each cause, whether it was confirmed, and what to change."""
    for cause in causes:
        mark = "[bold]cause[/]" if cause.confirmed else "perhaps"
        how = "" if cause.confirmed else " (not confirmed)"
        grid.add_row(mark, escape(f"{cause.cause}{how}: {cause.detail}"))
        if cause.change:
            grid.add_row("try", escape(cause.change))


def _few(names: Sequence[str]) -> str:
    """The first names and how many more there are."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


def divergence_line(found: Divergence) -> str:
    """Where two runs part first, and how far."""
    how = found.comparison.reason or f"relative {figure(found.comparison.max_rel)}"
    if found.layer == "output":
        return f"[bold]the output[/]: {how}; every mapped layer agrees"
    names = (
        found.source_name if found.source_name == found.target_name else f"{found.source_name} / {found.target_name}"
    )
    return f"[bold]{escape(names)}[/] ({found.layer.split()[0]}): {how}; every mapped layer before it agrees"


def _parity(parity: Parity) -> str:
    found = parity.comparison
    mark = "[green]holds[/]" if found else "[red]fails[/]"
    figures = found.reason or f"max |a−b| {figure(found.max_abs)} of at most {figure(parity.bound)}"
    return f"{mark}: {figures}  ({size(parity.bytes)}, {parity.seconds:.1f} s)"


def seconds_line(seconds: Mapping[str, float]) -> str:
    """The total, and the steps that took long enough to be named."""
    steps = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items() if name != "total" and value >= 0.05)
    return f"{seconds['total']:.1f} s" + (f"  ({steps})" if steps else "")


def render_convert(result: ConvertResult) -> ConsoleRenderable:
    """What was written."""
    grid = rows()
    grid.add_row("read", escape(str(result.weights)))
    grid.add_row("tensors", _tensors(result.plan))
    _add_drops(grid, result.plan)
    _add_loss(grid, result.loss)
    if result.nonfinite:
        grid.add_row("[yellow]NaN or Inf[/]", escape(", ".join(result.nonfinite)))
    for note in result.notes:
        grid.add_row("note", escape(note))
    if result.digests:
        grid.add_row("digests", f"BLAKE3 of {counted(len(result.digests), 'tensor')}; --json lists them")
    grid.add_row("wrote", f"{escape(str(result.out))}  ({size(result.nbytes)})")
    grid.add_row("took", f"{result.seconds['total']:.2f} s; nothing was run: `xframe port` proves it")
    return Group(title(result.plan, "converted"), grid)


def render_verify(result: VerifyResult) -> ConsoleRenderable:
    """A line for a file that is what was proven; every tensor that is not, for another."""
    said = result.certificate
    verdict = ("unchanged", "bold green") if result else ("different", "bold red")
    title = Text.assemble((str(result.file), "bold"), "  ", verdict)
    grid = rows()
    grid.add_row("proven", escape(f"{said.model}  {said.source} → {said.target}  {said.verdict}"))
    how = "by name and digest" if result.by_name else "by digest: the file has names of its own"
    grid.add_row("tensors", f"{len(said.tensors)}, compared {how}")
    for problem in result.problems:
        grid.add_row(problem.kind, escape(str(problem)))
    return Group(title, grid)


def render_check(result: CheckResult) -> ConsoleRenderable:
    """A line for a good table; all problems for another."""
    if result:
        built = f"{len(result.built)} built and compared" if result.built is not None else "not built"
        columns = counted(len(result.implementations), "implementation")
        detail = f"{counted(result.layers, 'layer')}, {columns}, {built}"
        lines = [Text.assemble(("ok", "green"), "  ", (result.name, "bold"), f"  {detail}")]
    else:
        lines = [
            Text.assemble(
                ("wrong", "bold red"), "  ", (result.name, "bold"), f"  {counted(len(result.problems), 'problem')}"
            )
        ]
        lines += [Text(f"  {problem}") for problem in result.problems]
    lines += [Text(f"  not built: {names}: {reason}", "yellow") for names, reason in _unbuilt(result)]
    return Group(*lines)


def _unbuilt(result: CheckResult) -> list[tuple[str, str]]:
    """Implementations that share a reason, and its first sentence: `xframe doctor` tells the rest."""
    groups: dict[str, list[str]] = {}
    for name, reason in result.unbuilt.items():
        groups.setdefault(reason.partition(". ")[0], []).append(name)
    return [(", ".join(names), reason) for reason, names in groups.items()]


def render_diagnosis(diagnosis: Diagnosis) -> ConsoleRenderable:
    """Frameworks, interpreters, versions, conflicts."""
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for heading in ("framework", "found", "import", "interpreter"):
        grid.add_column(heading, overflow="fold")
    for finding in diagnosis.findings:
        grid.add_row(
            finding.framework,
            _found(finding),
            "" if finding.seconds is None else f"{finding.seconds:.1f} s",
            escape(finding.python),
        )
    notes = [Text(f"settings: {diagnosis.settings}; a request may take {diagnosis.timeout:g} s")]
    if not diagnosis.compiled:
        notes.append(Text(_NOT_COMPILED, "yellow"))
    notes += [Text(f"known: {conflict}", "yellow") for conflict in diagnosis.conflicts]
    notes += [Text(finding.error, "red") for finding in diagnosis.findings if finding.error]
    return Group(grid, *notes)


def _found(finding: Finding) -> str:
    if finding.error:
        return "[red]missing[/]"
    return escape(", ".join(f"{name} {version}" for name, version in finding.versions.items()))


def plain(renderable: ConsoleRenderable) -> str:
    """What a pipe would show: no colour, no name cut, no white space at the ends of lines."""
    out = Console(file=StringIO(), highlight=False, width=_UNBOUNDED, force_terminal=False, no_color=True)
    with out.capture() as captured:
        out.print(renderable)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def console(*, stderr: bool = False) -> Console:
    """A console that never cuts a name when its output goes into a file or a pipe."""
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=_UNBOUNDED)
