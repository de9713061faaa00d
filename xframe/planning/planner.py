"""From a table and what a checkpoint holds to a plan, or to every problem at once. Strict is the only mode."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from xframe.digests import digest
from xframe.dtypes import as_numbers
from xframe.errors import LayoutError, Problem
from xframe.layouts import Rearrangement
from xframe.mapping import Entry, Fill, Table, fold_entry
from xframe.planning.joining import join
from xframe.planning.options import OptionHints
from xframe.planning.plan import Dropped, Filled, Fold, Move, PortPlan, Specs, Step, Values
from xframe.planning.refusal import refusal
from xframe.planning.suggest import Unmatched, dtype_hint
from xframe.tensors import FLOATS, TensorSpec


def make_plan(
    table: Table,
    source: str,
    target: str,
    held: Specs,
    values: Values,
    *,
    wanted: Specs | None = None,
    dtype: str | None = None,
) -> PortPlan:
    """Plan the port of a state dict with the tensors ``held`` from one implementation of ``table`` to another.

    ``values`` reads a held tensor; it is called for tensors that would be dropped, to see that they carry nothing.
    ``wanted`` is the built target's state dict; without it the table alone says what the target holds. ``dtype``
    converts floating-point tensors. Raises PlanError with every problem: missing, unused, shape, dtype, drop.
    """
    planner = _Planner(table, source, target, held, values, wanted, dtype)
    for entry in table.entries:
        if entry.between(source, target):
            planner.visit(entry)
    planner.finish()
    if planner.problems:
        raise refusal(table, (source, target), held, planner.problems)
    return planner.plan()


@dataclass(slots=True)
class _Planner:
    table: Table
    source: str
    target: str
    held: Specs
    values: Values
    wanted: Specs | None
    dtype: str | None
    problems: list[Problem] = field(default_factory=list)
    steps: dict[str, Step] = field(default_factory=dict)
    pieces: dict[str, list[Move]] = field(default_factory=dict)  # of target tensors that several entries make
    dropped: list[Dropped] = field(default_factory=list)
    unmatched: Unmatched = field(default_factory=Unmatched)
    used: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)  # target tensors that a problem is already about
    options: OptionHints = field(init=False)

    def __post_init__(self) -> None:
        self.options = OptionHints(self.table, self.source)

    def visit(self, entry: Entry) -> None:
        """Decide one tensor: move, fill, drop, or a problem."""
        here, there = entry.names.get(self.source), entry.names.get(self.target)
        if here is not None and (first := entry.repeats(self.source, self.target)):
            self._same(entry, here.name, first)
        elif here is not None and there is not None:
            self._both(entry, here.name, there.name)
        elif there is not None:
            self._fill(entry, there.name)
        elif here is not None:
            self._drop(entry, here.name)

    def _same(self, entry: Entry, here: str, name: str) -> None:
        """A further name of a source tensor must hold the same bits as the first, for only that one moves."""
        spec, first = self.held.get(here), self.held.get(name)
        self.used.add(here)
        if spec is None:
            self.unmatched.miss(here, here)
        elif first is not None and not self._alike(spec, first):
            detail = f"it is another name of '{name}', but the two differ"
            self._refuse(Problem(kind="drop", tensor=here, detail=detail))
        else:
            because = f"another name of {name}, and the same bits"
            self.dropped.append(Dropped(entry=entry, source=spec, because=because))

    def _alike(self, one: TensorSpec, other: TensorSpec) -> bool:
        if (one.shape, one.dtype) != (other.shape, other.dtype):
            return False
        return digest(self.values(one.name)) == digest(self.values(other.name))

    def _refuse(self, problem: Problem) -> None:
        """Once: the blocks of one tensor have their problems in common."""
        if problem not in self.problems:
            self.problems.append(problem)

    def _both(self, entry: Entry, here: str, there: str) -> None:
        spec = self.held.get(here)
        self.unmatched.blocks[there] = entry.names[self.source].blocks, entry.names[self.target].blocks
        optional = entry.fill is not None and entry.fill.discard
        if spec is not None and self._exists(there):
            self.used.add(here)
            self._move(entry, spec, there)
        elif spec is None and optional:
            self._fill(entry, there)
        elif spec is None:
            self.unmatched.miss(there, here)
        else:
            self.used.add(here)
            self.unmatched.unused.setdefault(here, there)

    def _exists(self, there: str) -> bool:
        return self.wanted is None or there in self.wanted

    def _move(self, entry: Entry, spec: TensorSpec, there: str) -> None:
        name = entry.names[self.target]
        try:
            sizes = entry.names[self.source].pattern.bind(spec.shape, entry.layer.sizes)
            target = TensorSpec(there, name.pattern.shape(sizes), self._dtype(spec))
        except LayoutError as error:
            self.told.add(there)
            hint = self.options.hint(entry, spec.shape)
            self._refuse(Problem(kind="shape", tensor=spec.name, detail=str(error), suggestion=hint))
            return
        way = entry.rearrangement(self.source, self.target, sizes)
        move = Move(entry=entry, source=spec, target=target, rearrangement=way)
        if name.part:
            self.pieces.setdefault(there, []).append(move)
        else:
            self._compare(target)
            self.steps[there] = move

    def _dtype(self, spec: TensorSpec) -> str:
        return self.dtype if self.dtype is not None and spec.dtype in FLOATS else spec.dtype

    def _compare(self, target: TensorSpec) -> None:
        """The planned tensor against the built target's own."""
        found = self.wanted.get(target.name, target) if self.wanted is not None else target
        if found.shape != target.shape:
            detail = f"the source gives {list(target.shape)}, the built target declares {list(found.shape)}"
            hint = self.options.general
            self._refuse(Problem(kind="shape", tensor=target.name, detail=detail, suggestion=hint))
        if found.dtype != target.dtype:
            detail = f"the source gives {target.dtype}, the built target declares {found.dtype}"
            hint = dtype_hint(target.dtype, found.dtype)
            self._refuse(Problem(kind="dtype", tensor=target.name, detail=detail, suggestion=hint))

    def _fill(self, entry: Entry, there: str) -> None:
        assert entry.fill is not None
        if not self._exists(there):
            if not entry.fill.discard:
                self.unmatched.unknown.append(there)
            return
        shape = entry.shape(self.target)
        if shape is None:
            shape = self.wanted[there].shape if self.wanted is not None else None
        if shape is None:
            detail = "it is filled, but the table states no sizes and no model was built to ask"
            self.problems.append(
                Problem(kind="shape", tensor=there, detail=detail, suggestion="state sizes in the row")
            )
            return
        spec = TensorSpec(there, shape, entry.tensor.dtype or self.dtype or self._held_float())
        self._compare(spec)
        self.steps[there] = Filled(entry=entry, target=spec, fill=entry.fill)

    def _held_float(self) -> str:
        """The dtype of the checkpoint's first floating-point tensor: a fill goes with its neighbours."""
        return next((spec.dtype for spec in self.held.values() if spec.dtype in FLOATS), "float32")

    def _drop(self, entry: Entry, here: str) -> None:
        assert entry.fill is not None
        fill, spec = entry.fill, self.held.get(here)
        if spec is None:
            if not fill.discard:
                self.unmatched.miss(here, here)
            return
        if any(drop.source.name == here for drop in self.dropped):
            return  # as another of its blocks
        self.used.add(here)
        held = fill.discard or bool(np.all(as_numbers(self.values(here), spec.dtype) == fill.value))
        if held:
            self.dropped.append(Dropped(entry=entry, source=spec, because=fill.because))
        elif fill.folds:
            self.dropped.append(self._going_along(entry, spec, fill))
        else:
            detail = f"{self.target} has no counterpart, and it holds more than {fill.value:g}: outputs would change"
            self.problems.append(Problem(kind="drop", tensor=here, detail=detail))

    def _going_along(self, entry: Entry, spec: TensorSpec, fill: Fill) -> Dropped:
        if fill.add_to is not None:
            because = f"{fill.because}; its values are added to {fill.add_to}"
            return Dropped(entry=entry, source=spec, because=because, added=True)
        because = f"{fill.because}; its values are folded into the running mean of {fill.fold_into}"
        return Dropped(entry=entry, source=spec, because=because, folded=True)

    def finish(self) -> None:
        """Join what is in pieces, fold what is folded, and collect what no row speaks of."""
        for there, pieces in self.pieces.items():
            self._join(there, pieces)
        for drop in self.dropped:
            if drop.folded or drop.added:
                self._fold(drop)
        for name in self.held.keys() - self.used:
            self.unmatched.unused.setdefault(name, None)
        for name in (self.wanted or {}).keys() - self.steps.keys() - self.told:
            self.unmatched.miss(name, None)
        self.problems.extend(self.unmatched.problems(self.held, self.wanted or {}))

    def _join(self, there: str, pieces: list[Move]) -> None:
        step, problems = join(pieces)
        if there in self.steps:
            detail = "some of its blocks are moved and others filled: a fill is for whole tensors"
            problems = [Problem(kind="shape", tensor=there, detail=detail)]
        for problem in problems:
            self._refuse(problem)
        if problems or len(pieces) < pieces[0].entry.names[self.target].blocks:
            self.told.add(there)  # what is wrong with it, or with the piece that is not there
            return
        self._compare(step.target)
        self.steps[there] = step

    def _fold(self, drop: Dropped) -> None:
        taker = fold_entry(self.table, drop.entry)
        there = taker.names.get(self.target) if taker is not None else None
        step = self.steps.get(there.name) if there is not None else None
        way = self._way_along(drop, step) if isinstance(step, Move) else None
        if isinstance(step, Move) and way is not None:
            fold = Fold(source=drop.source, sign=1 if drop.added else -1, rearrangement=way)
            self.steps[step.target.name] = replace(step, folds=(*step.folds, fold))
        else:
            taking = "a tensor of its layer" if drop.added else "a running mean"
            detail = f"its values should go into {taking}, but none of its shape is moved"
            self.problems.append(Problem(kind="drop", tensor=drop.source.name, detail=detail))

    def _way_along(self, drop: Dropped, step: Move) -> Rearrangement | None:
        """To the axes of the tensor that takes the values over; None where they do not fit."""
        one, other = drop.entry.names[self.source].pattern, step.entry.names[self.source].pattern
        if drop.folded:  # a bias and a mean name their axis differently
            return Rearrangement(other, other) if drop.source.shape == step.source.shape else None
        try:
            sizes = one.bind(drop.source.shape, step.rearrangement.sizes)
            return Rearrangement(one, other, sizes)
        except LayoutError:
            return None

    def plan(self) -> PortPlan:
        order = {name: index for index, name in enumerate(self.wanted or self.steps)}
        steps = tuple(sorted(self.steps.values(), key=lambda step: order[step.target.name]))
        return PortPlan(
            table=self.table, source=self.source, target=self.target, steps=steps, dropped=tuple(self.dropped)
        )
