"""``diff``: two implementations held against each other, layer by layer; on request their gradients and training too.

Nothing is written. A side without weights of its own is given the other's by the table, in memory; where neither has
any, the source's are random. Both sides are built in float64, so that weights of every precision load exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from xframe.checkpoints.budget import AMPLE, Budget
from xframe.checkpoints.model import Checkpoint
from xframe.checkpoints.selection import EVERYTHING
from xframe.comparison import Tolerance, compare_all
from xframe.errors import PlanError, UsageError
from xframe.files import framework_reads, opened_weights, reader
from xframe.mapping import Implementation, Option, Table, load_table
from xframe.planning import PortPlan, computed, make_plan
from xframe.proving import oddities
from xframe.proving.causes import Cause, diagnose, diagnose_outputs
from xframe.proving.determinism import nondeterminism
from xframe.proving.diff_result import DiffResult
from xframe.proving.divergence import Divergence, diverging, uneven_calls
from xframe.proving.gradient_diff import Gradients, diff_gradients, random_cotangents
from xframe.proving.layer_diff import LayerDiffs, by_itself, diff_layers, tapped
from xframe.proving.optimizers.spec import parse_optimizers
from xframe.proving.outputs import BothPrecisions, in_one_form
from xframe.proving.probe import random_input, read_input
from xframe.proving.proof import load_planned, load_source
from xframe.proving.sides import Side
from xframe.proving.tensor_diff import TensorDiff, diff_tensors
from xframe.proving.training.result import Training
from xframe.proving.training.sides import draw_batches
from xframe.proving.training.train import train
from xframe.proving.weights import at_hand, held_in, through_model
from xframe.stopwatch import Progress, Stopwatch, silent
from xframe.tensors import Array
from xframe.workers import Pool

DTYPE = "float64"
MOST_DIAGNOSED = 5  # layers that part by themselves; one after the other is tried out


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffOptions:
    """What is compared. Weights are files of either side, or None; ``input`` is a .npy of shape (N, C, H, W).

    ``refed`` also looks at each layer by itself, fed what its counterpart read. ``gradients`` compares those of every
    parameter and of the input. ``train_steps`` trains both sides for so many steps with ``optimizer``, written as on
    the command line: a name and its figures, two with a slash between them where the sides differ. ``diagnosed`` says
    of how many layers that part by themselves causes are looked for, besides the first divergence. ``set`` gives values
    to the table's options, such as ``num_classes``.
    """

    source_weights: Path | None = None
    target_weights: Path | None = None
    seed: int = 0
    tolerance: Tolerance = field(default_factory=Tolerance)
    input: Path | None = None
    refed: bool = True
    gradients: bool = False
    train_steps: int = 0
    optimizer: str = "momentum"
    diagnosed: int = MOST_DIAGNOSED
    set: Mapping[str, Option] = field(default_factory=dict)
    budget: Budget = AMPLE


def diff(
    model: str,
    source: str,
    target: str,
    options: DiffOptions | None = None,
    *,
    pool: Pool | None = None,
    progress: Progress = silent,
) -> DiffResult:
    """Hold the implementation ``target`` of ``model`` (a table's name or path) against ``source``.

    A difference is a result, not an error. Raises PlanError, CheckpointError and the others of xframe.errors. Without
    ``pool`` the workers end with the call.

    >>> diff("resnet18", "paddle", "torch").first_divergence is None  # doctest: +SKIP
    True
    """
    options = options or DiffOptions()
    parse_optimizers(options.optimizer)  # what is wrong with it is said before anything runs
    table = load_table(model, options.set)
    ends = table.implementation(source), table.implementation(target)
    with ExitStack() as stack:
        workers = pool or stack.enter_context(Pool())
        workers.start(*(end.framework.name for end in ends))
        stack.enter_context(workers.scratch())
        return _Diff(table, ends, options, workers, Stopwatch(progress)).carry_out()


@dataclass(slots=True)
class _Diff:
    """One comparison under way."""

    table: Table
    ends: tuple[Implementation, Implementation]
    options: DiffOptions
    pool: Pool
    watch: Stopwatch
    source: Side = field(init=False)
    target: Side = field(init=False)

    def __post_init__(self) -> None:
        self.source = Side(self.pool, self.table, self.ends[0], "source", DTYPE)
        self.target = Side(self.pool, self.table, self.ends[1], "target", DTYPE)

    def carry_out(self) -> DiffResult:
        """The straight line."""
        with self.watch("read", "reading the weights"):
            probe, parsed = self._probe(), self._parsed()
        with self.watch("import", "importing the frameworks"):
            versions = {"source": self.source.versions, "target": self.target.versions}
        with self.watch("load", "loading both sides"):
            held, plan, tensors = self._loaded(*parsed, probe)
        skip = {drop.entry.layer.names[plan.source] for drop in plan.dropped if drop.folded}
        with self.watch("run", "running both sides in float64, layer by layer"):
            layers = diff_layers(
                self.source, self.target, probe, self.options.tolerance, skip=skip, refed=self.options.refed
            )
        one, other, notes = self._in_one_form(layers)
        odd = oddities.notes((self.source, self.target), probe)
        outputs = compare_all(one, other, self.options.tolerance)
        with self.watch("diagnose", "looking for causes"):
            first, causes = self._causes(layers, plan, held, probe, (one, other))
        with self.watch("gradients", "comparing gradients"):
            gradients = self._gradients(plan, probe, layers)
        with self.watch("train", "training both sides"):
            training = self._training(plan)
        return DiffResult(
            plan=plan,
            outputs=outputs,
            layers=layers,
            tensors=tensors,
            first_divergence=first,
            causes=causes,
            gradients=gradients,
            training=training,
            weights=str(held.path),
            notes=(*plan.differences, *notes, *layers.alone, *odd),
            seconds=self.watch.finish(),
            versions=versions,
        )

    def _probe(self) -> Array:
        if self.options.input is not None:
            return read_input(self.options.input, self.table)
        return random_input(self.table, self.options.seed)

    def _parsed(self) -> tuple[Checkpoint | None, Checkpoint | None]:
        """The files, read while the frameworks are being imported."""
        one, other = (
            None if path is None else opened_weights(path, self.table, end, EVERYTHING, self.options.budget)
            for path, end in zip((self.options.source_weights, self.options.target_weights), self.ends, strict=True)
        )
        return one, other

    def _loaded(
        self, given: Checkpoint | None, other: Checkpoint | None, probe: Array
    ) -> tuple[Checkpoint, PortPlan, tuple[TensorDiff, ...] | None]:
        """Both sides set and read back: the source's weights, the plan, and what the target's file has otherwise."""
        there = None if other is None else _named(other, self.target)
        try:
            held = self._source_weights(given, there)
            plan = self._plan(held, self.ends)
        except PlanError as error:
            raise oddities.explained(error, (self.source, self.target), probe) from None
        source_is_loaded = load_source(self.source, held, self.pool, DTYPE)
        if there is None:
            target_is_loaded = load_planned(self.target, plan, held, self.pool)
        else:
            target_is_loaded = load_source(self.target, there, self.pool, DTYPE)
        source_is_loaded()
        target_is_loaded()
        return held, plan, None if given is None or there is None else diff_tensors(plan, held, there)

    def _source_weights(self, given: Checkpoint | None, there: Checkpoint | None) -> Checkpoint:
        """The source's file; else the target's, carried back by the table; else random weights."""
        if given is not None:
            return _named(given, self.source)
        if there is None:
            return at_hand(self.source, self.options.seed, self.pool)
        back = self._plan(there, (self.ends[1], self.ends[0]))
        return held_in(self.pool, back, there)

    def _plan(self, held: Checkpoint, ends: tuple[Implementation, Implementation]) -> PortPlan:
        wanted = (self.target if ends[1] is self.ends[1] else self.source).specs
        specs = {name: tensor.spec for name, tensor in held.tensors.items()}
        here, there = (end.name for end in ends)
        return make_plan(self.table, here, there, specs, reader(held), wanted=wanted, dtype=DTYPE)

    def _in_one_form(self, layers: LayerDiffs) -> tuple[tuple[Array, ...], tuple[Array, ...], tuple[str, ...]]:
        """The outputs as they can be compared: probabilities where one side returns those and the other logits."""
        here, there = (BothPrecisions(float64=arrays, float32=arrays) for arrays in layers.outputs)
        one, other, notes = in_one_form(here, there, self.ends)
        return tuple(one.float64), tuple(other.float64), notes

    def _causes(
        self,
        layers: LayerDiffs,
        plan: PortPlan,
        held: Checkpoint,
        probe: Array,
        outputs: tuple[tuple[Array, ...], tuple[Array, ...]],
    ) -> tuple[Divergence | None, Mapping[str, tuple[Cause, ...]]]:
        """Where the two part first and why, and the causes of every layer that parts by itself."""
        tolerance = self.options.tolerance
        at_outputs = compare_all(*outputs, tolerance)
        if at_outputs and layers.first is None:
            return None, {}
        for side in (self.source, self.target):
            found = nondeterminism(side, probe, tapped(side))
            if found is not None:
                return found, {}
        planned = {step.target.name: step for step in plan.steps}
        skip = {drop.entry.layer.names[plan.source] for drop in plan.dropped if drop.folded}
        uneven = uneven_calls(self.source, self.target, probe, layers, tolerance)

        def values(name: str) -> Array:
            return computed(planned[name], reader(held))

        parted = [part for part in (layers.first, *layers.own[: self.options.diagnosed]) if part is not None]
        causes = {
            name: diagnose(self.source, self.target, probe, part, by_itself(tolerance), skip=skip, planned=values)
            for name, part in {part.name: part for part in parted}.items()
        }
        if uneven is not None:
            return uneven, causes
        if layers.first is not None:
            return diverging(layers.first, causes[layers.first.name]), causes
        last = diagnose_outputs(*outputs, (plan.source, plan.target), tolerance)
        behind = Divergence(
            layer="output", source_name="output", target_name="output", comparison=at_outputs, causes=last
        )
        return (None if at_outputs else behind), causes

    def _gradients(self, plan: PortPlan, probe: Array, layers: LayerDiffs) -> Gradients | None:
        if not self.options.gradients:
            return None
        if self.ends[0].output != self.ends[1].output:
            raise UsageError(
                f"--gradients compares what flows back from the same outputs, and {plan.source} returns "
                f"{self.ends[0].output} where {plan.target} returns {self.ends[1].output}."
            )
        cotangents = random_cotangents(layers.outputs[0], self.options.seed)
        return diff_gradients((self.source, self.target), plan, probe, cotangents, self.options.tolerance)

    def _training(self, plan: PortPlan) -> Training | None:
        """Last of all: training moves weights, and both sides end in other states than they began in."""
        if not self.options.train_steps:
            return None
        optimizers = parse_optimizers(self.options.optimizer)
        batches = draw_batches(self.source, steps=self.options.train_steps, seed=self.options.seed)
        return train(self.source, self.target, plan, batches, optimizers, tolerance=self.options.tolerance)


def _named(parsed: Checkpoint, side: Side) -> Checkpoint:
    """A file's tensors under state-dict names, which of Keras's own formats only the built model knows."""
    return through_model(parsed, side) if framework_reads(parsed.path, side.implementation) else parsed
