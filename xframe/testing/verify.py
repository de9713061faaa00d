"""Hold an implementation to a golden. Its framework alone runs: the recorded one need not be installed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xframe.checkpoints.model import Checkpoint
from xframe.comparison import Comparison, Tolerance, compare_all, incomparable
from xframe.errors import PlanError, UsageError
from xframe.files import reader
from xframe.mapping import Implementation
from xframe.planning import PortPlan, make_plan
from xframe.proving import oddities
from xframe.proving.causes import Cause, diagnose_outputs
from xframe.proving.determinism import nondeterminism
from xframe.proving.divergence import Divergence
from xframe.proving.layer_diff import tapped
from xframe.proving.outputs import BothPrecisions, in_one_form
from xframe.proving.proof import load_planned
from xframe.proving.sides import Side
from xframe.tensors import Array
from xframe.testing.golden_result import GoldenCall, GoldenGradient, GoldenResult
from xframe.testing.goldens import Call, Golden, Output, concerns, options_of, short_digest
from xframe.testing.gradients import gradient_sketches
from xframe.testing.passage import DTYPE, Passage, Subject, passage, turns
from xframe.testing.sketch import compare_sketches, sketch
from xframe.testing.witness import causes_of
from xframe.workers import Pool

ANEW = "record it anew with pytest --xframe-record, where {column} can run"
_MOST_NAMES = 5


def verify(
    golden: Golden,
    path: Path,
    subject: Subject,
    column: str,
    *,
    pool: Pool,
    tolerance: Tolerance,
    gradients: bool = False,
) -> GoldenResult:
    """Hold ``column`` to what was recorded. A difference is a result, not an error.

    Raises UsageError for a golden of something else: another seed, input, table or weights, or one without the
    gradients that are asked for. Raises PlanError, ModelError and the others where the implementation cannot be set.
    """
    probe = subject.probe()
    _check_subject(golden, path, subject, probe)
    if gradients and golden.gradients is None:
        raise _stale(golden, path, "gradients were asked for, and it has none")
    held = subject.held(golden.column, golden.specs, pool)
    _check_weights(golden, path, held)
    side = Side(pool, subject.table, subject.table.implementation(column), "golden", DTYPE)
    plan = _plan(golden, side, held, probe)
    load_planned(side, plan, held, pool)()
    result = _Hold(golden, path, side, plan, probe, tolerance).result()
    side.release()
    return result


def _plan(golden: Golden, side: Side, held: Checkpoint, probe: Array) -> PortPlan:
    specs = {name: tensor.spec for name, tensor in held.tensors.items()}
    there = side.implementation.name
    try:
        return make_plan(side.table, golden.column, there, specs, reader(held), wanted=side.specs, dtype=DTYPE)
    except PlanError as error:
        raise oddities.explained(error, (side,), probe) from None


def _stale(golden: Golden, path: Path, why: str) -> UsageError:
    return UsageError(f"{path} is no golden of this test: {why}. Try: {ANEW.format(column=golden.column)}.")


def _check_subject(golden: Golden, path: Path, subject: Subject, probe: Array) -> None:
    """Raises UsageError where the test has another table, or asks for something else than was recorded."""
    table = subject.table
    if golden.column not in table.implementations:
        raise _stale(golden, path, f"the table has no column '{golden.column}' any more")
    now = concerns(table, golden.column)
    changed = [name for name in (*golden.concerns, *(now.keys() - golden.concerns.keys())) if name and (
        golden.concerns.get(name) != now.get(name)
    )]  # fmt: skip
    if changed:
        more = f" and {len(changed) - _MOST_NAMES} more" if len(changed) > _MOST_NAMES else ""
        rows = ", ".join(changed[:_MOST_NAMES])
        raise _stale(golden, path, f"the table's column {golden.column} has changed since, at {rows}{more}")
    files = subject.weights, subject.input
    asked = {
        "options": options_of(table, golden.column),
        **dict(zip(("weights", "input"), (None if file is None else file.name for file in files), strict=True)),
        **({"seed": subject.seed} if None in files else {}),
    }
    for name, value in asked.items():
        recorded = getattr(golden, name)
        if recorded != value:
            raise _stale(
                golden, path, f"it was recorded with the {name} {_said(recorded)}, and the test has {_said(value)}"
            )
    if golden.concerns.get("") != now[""]:
        raise _stale(golden, path, "the table's input, or the column's arguments, have changed since")
    if golden.probe != short_digest(probe):
        what = "the input is another" if subject.input else _drawn_otherwise("input", golden)
        raise _stale(golden, path, what)


def _said(value: object) -> str:
    return "none" if value is None else str(value)


def _drawn_otherwise(what: str, golden: Golden) -> str:
    numpy = golden.versions.get("numpy", "of another version")
    return (
        f"numpy {np.__version__} draws another {what} from the seed {golden.seed} than numpy {numpy} did when it was "
        f"recorded"
    )


def _check_weights(golden: Golden, path: Path, held: Checkpoint) -> None:
    """Raises UsageError for weights that are not those that were recorded."""
    if held.tensors.keys() != golden.tensors.keys():
        apart = sorted(held.tensors.keys() ^ golden.tensors.keys())
        raise _stale(golden, path, f"{held.path} holds other tensors than were recorded, such as {apart[0]}")
    for name, tensor in held.tensors.items():
        if short_digest(tensor.array()) != golden.tensors[name].digest:
            drawn = golden.weights is None
            what = _drawn_otherwise(f"'{name}'", golden) if drawn else f"{held.path} holds other values at '{name}'"
            raise _stale(golden, path, what)


@dataclass(slots=True)
class _Hold:
    """One implementation, loaded, being held."""

    golden: Golden
    path: Path
    side: Side
    plan: PortPlan
    probe: Array
    tolerance: Tolerance
    names: Mapping[str, str] = field(init=False)  # of mapped layers: recorded → here

    def __post_init__(self) -> None:
        here, there = self.golden.column, self.side.implementation.name
        folded = {drop.entry.layer.names[here] for drop in self.plan.dropped if drop.folded}
        self.names = {
            name: layer.layer_name(there)
            for layer in self.side.table.layers
            if (name := layer.layer_name(here)) and layer.layer_name(there) and name not in folded
        }

    @property
    def _ends(self) -> tuple[Implementation, Implementation]:
        """The recorded implementation and this one."""
        return self.side.table.implementation(self.golden.column), self.side.implementation

    def result(self) -> GoldenResult:
        """The straight line."""
        ran = passage(self.side, self.probe)
        calls = tuple(self._calls(ran))
        outputs = self._outputs(ran)
        return GoldenResult(
            golden=self.golden,
            path=self.path,
            column=self.side.implementation.name,
            outputs=outputs,
            calls=calls,
            first_divergence=self._first(ran, calls, outputs),
            gradients=None if self.golden.gradients is None else tuple(self._gradients(self.golden.gradients, ran)),
            notes=self.plan.differences,
            versions=self.side.versions,
        )

    def _calls(self, ran: Passage) -> Iterator[GoldenCall]:
        """Every recorded call, in its order, beside the same call here; those that this side does not make too."""
        found = dict(zip(turns(ran.calls), ran.calls, strict=True))
        for place, ((layer, turn), call) in enumerate(zip(turns(self.golden.calls), self.golden.calls, strict=True)):
            if (there := self.names.get(layer)) is None:
                continue
            other = found.get((there, turn))
            yield GoldenCall(
                layer=self._layer(layer), source_name=layer, target_name=there, turn=turn, place=place,
                comparison=None if other is None else self._compared(call, other),
            )  # fmt: skip

    def _layer(self, name: str) -> str:
        here = self.golden.column
        return next(layer.kind.name for layer in self.side.table.layers if layer.layer_name(here) == name)

    def _compared(self, recorded: Call, found: Call) -> Comparison:
        """Lengths of 1 do not count: a map of one pixel is a vector."""
        one, other = ([n for n in call.shape if n != 1] for call in (recorded, found))
        if one != other:
            return incomparable(f"shapes differ: {list(recorded.shape)} against {list(found.shape)}")
        return compare_sketches(recorded.sketch, found.sketch, int(np.prod(found.shape)), self.tolerance)

    def _outputs(self, ran: Passage) -> Comparison:
        kept = self.golden.outputs
        if [output.shape for output in kept] != [output.shape for output in ran.outputs]:
            shapes = ([list(output.shape) for output in outputs] for outputs in (kept, ran.outputs))
            return incomparable("shapes differ: {} against {}".format(*shapes))
        if all(output.whole for output in kept):
            return compare_all(*self._in_one_form(ran), self.tolerance)
        ends = (
            self.side.table.implementation(name).output for name in (self.golden.column, self.side.implementation.name)
        )
        if len({*ends}) > 1:
            return incomparable("one returns logits and the other probabilities, of which the golden has sketches only")
        compared = [self._output(one, other) for one, other in zip(kept, ran.outputs, strict=True)]
        return max(compared, key=lambda found: (not found.passed, found.max_rel))

    def _output(self, recorded: Output, found: Array) -> Comparison:
        if recorded.whole:
            return compare_all([recorded.values], [found], self.tolerance)
        return compare_sketches(recorded.values, sketch(found), found.size, self.tolerance)

    def _in_one_form(self, ran: Passage) -> tuple[list[Array], list[Array]]:
        """As they can be compared: both as probabilities where one side returns those and the other logits."""
        kept = [output.values for output in self.golden.outputs]
        both = [BothPrecisions(float64=arrays, float32=arrays) for arrays in (kept, ran.outputs)]
        one, other, _ = in_one_form(both[0], both[1], self._ends)
        return [*one.float64], [*other.float64]

    def _first(self, ran: Passage, calls: tuple[GoldenCall, ...], outputs: Comparison) -> Divergence | None:
        """A side that differs from itself, a call that is not made, the first layer that differs, or the outputs."""
        parted = next((call for call in calls if call.comparison is not None and not call.comparison), None)
        if parted is None and outputs:
            return None
        found = nondeterminism(self.side, self.probe, tapped(self.side))
        if found is not None:
            return found
        uneven = self._uneven(ran, calls, parted)
        if uneven is not None:
            return uneven
        if parted is not None:
            assert parted.comparison is not None
            there = parted.target_name
            causes = causes_of(self.golden, parted.place, self.side, there, probe=self.probe, tolerance=self.tolerance)
            return _divergence(parted.name, (parted.source_name, there), parted.comparison, *causes)
        if not all(output.whole for output in self.golden.outputs) or outputs.reason:
            return _divergence("output", ("output", "output"), outputs)
        ends = self.golden.column, self.side.implementation.name
        last = diagnose_outputs(*self._in_one_form(ran), ends, self.tolerance)
        return _divergence("output", ("output", "output"), outputs, *last)

    def _uneven(self, ran: Passage, calls: tuple[GoldenCall, ...], parted: GoldenCall | None) -> Divergence | None:
        """The first layer that is called more often on one side, if nothing differs before its first unpaired call."""
        end = len(self.golden.calls) if parted is None else parted.place
        here = Counter(call.layer for call in self.golden.calls)
        there = Counter(call.layer for call in ran.calls)
        apart = [(name, other) for name, other in self.names.items() if here[name] != there[other]]
        for name, other in apart:
            paired = [call.place for call in calls if call.source_name == name and call.comparison is not None]
            if max(paired, default=-1) < end:
                ends = self.golden.column, self.side.implementation.name
                said = f"{ends[0]} called {name} {_times(here[name])}, {ends[1]} calls {other} {_times(there[other])}"
                cause = Cause(cause="calls", detail=f"{said}.", confirmed=False)
                return _divergence(f"{self._layer(name)} {name}", (name, other), incomparable(said), cause)
        return None

    def _gradients(self, recorded: Mapping[str, Array], ran: Passage) -> Iterator[GoldenGradient]:
        """Of the input, and of every tensor that has a counterpart."""
        golden = self.golden
        ends = self._ends
        if ends[0].output != ends[1].output:
            raise UsageError(
                f"{self.path} holds gradients, which flow back from the same outputs, and {ends[0].name} returns "
                f"{ends[0].output} where {ends[1].name} returns {ends[1].output}. Try: columns= without one of them."
            )
        found = gradient_sketches(self.side, golden.column, golden.specs, probe=self.probe, ran=ran, seed=golden.seed)
        dropped = {drop.source.name for drop in self.plan.dropped}
        for name, kept in ((name, kept) for name, kept in recorded.items() if name not in dropped):
            count = self.probe.size if not name else golden.tensors[name].spec.numel
            missing = incomparable(f"{self.side.implementation.name} gives no gradient for it")
            compared = compare_sketches(kept, found[name], count, self.tolerance) if name in found else missing
            yield GoldenGradient(name=name or "input", comparison=compared)


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _divergence(layer: str, names: tuple[str, str], comparison: Comparison, *causes: Cause) -> Divergence:
    return Divergence(
        layer=layer, source_name=names[0], target_name=names[1], comparison=comparison, causes=tuple(causes)
    )
