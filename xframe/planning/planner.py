"""From a table and what a checkpoint holds to a plan, or to every problem at once. Strict is the only mode."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from xframe.checkpoints.prefixes import prefix_missing, prefix_too_many, strip_flag
from xframe.checkpoints.refusals import shown
from xframe.dtypes import as_numbers
from xframe.errors import LayoutError, PlanError, Problem
from xframe.layouts import Rearrangement
from xframe.mapping import Entry, Table, fold_entry
from xframe.planning.identify import identify, owner_of
from xframe.planning.options import OptionHints
from xframe.planning.plan import Dropped, Filled, Move, PortPlan, Specs, Values
from xframe.planning.suggest import Unmatched, common_dtype, dtype_hint
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
        planner.visit(entry)
    planner.finish()
    if planner.problems:
        raise planner.refusal()
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
    steps: dict[str, Move | Filled] = field(default_factory=dict)
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
        if here is not None and there is not None:
            self._both(entry, here.name, there.name)
        elif there is not None:
            self._fill(entry, there.name)
        elif here is not None:
            self._drop(entry, here.name)

    def _both(self, entry: Entry, here: str, there: str) -> None:
        spec = self.held.get(here)
        optional = entry.fill is not None and entry.fill.discard
        if spec is not None and self._exists(there):
            self.used.add(here)
            self._move(entry, spec, there)
        elif spec is None and optional:
            self._fill(entry, there)
        elif spec is None:
            self.unmatched.missing.setdefault(there, here)
        else:
            self.used.add(here)
            self.unmatched.unused.setdefault(here, there)

    def _exists(self, there: str) -> bool:
        return self.wanted is None or there in self.wanted

    def _move(self, entry: Entry, spec: TensorSpec, there: str) -> None:
        patterns = entry.names[self.source].pattern, entry.names[self.target].pattern
        try:
            sizes = patterns[0].bind(spec.shape, entry.layer.sizes)
            target = TensorSpec(there, patterns[1].shape(sizes), self._dtype(spec))
        except LayoutError as error:
            self.told.add(there)
            hint = self.options.hint(entry, spec.shape)
            self.problems.append(Problem(kind="shape", tensor=spec.name, detail=str(error), suggestion=hint))
            return
        self._compare(target)
        self.steps[there] = Move(entry=entry, source=spec, target=target, rearrangement=Rearrangement(*patterns, sizes))

    def _dtype(self, spec: TensorSpec) -> str:
        return self.dtype if self.dtype is not None and spec.dtype in FLOATS else spec.dtype

    def _compare(self, target: TensorSpec) -> None:
        """The planned tensor against the built target's own."""
        found = self.wanted.get(target.name, target) if self.wanted is not None else target
        if found.shape != target.shape:
            detail = f"the source gives {list(target.shape)}, the built target declares {list(found.shape)}"
            hint = self.options.general
            self.problems.append(Problem(kind="shape", tensor=target.name, detail=detail, suggestion=hint))
        if found.dtype != target.dtype:
            detail = f"the source gives {target.dtype}, the built target declares {found.dtype}"
            hint = dtype_hint(target.dtype, found.dtype)
            self.problems.append(Problem(kind="dtype", tensor=target.name, detail=detail, suggestion=hint))

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
                self.unmatched.missing.setdefault(here, here)
            return
        self.used.add(here)
        held = fill.discard or bool(np.all(as_numbers(self.values(here), spec.dtype) == fill.value))
        if held:
            self.dropped.append(Dropped(entry=entry, source=spec, because=fill.because))
        elif fill.fold_into is not None:
            because = f"{fill.because}; its values are folded into the running mean of {fill.fold_into}"
            self.dropped.append(Dropped(entry=entry, source=spec, because=because, folded=True))
        else:
            detail = f"{self.target} has no counterpart, and it holds more than {fill.value:g}: outputs would change"
            self.problems.append(Problem(kind="drop", tensor=here, detail=detail))

    def finish(self) -> None:
        """Fold what is folded, and collect what no row speaks of."""
        for drop in self.dropped:
            if drop.folded:
                self._fold(drop)
        for name in self.held.keys() - self.used:
            self.unmatched.unused.setdefault(name, None)
        for name in (self.wanted or {}).keys() - self.steps.keys() - self.told:
            self.unmatched.missing.setdefault(name, None)
        self.problems.extend(self.unmatched.problems(self.held, self.wanted or {}))

    def _fold(self, drop: Dropped) -> None:
        mean = fold_entry(self.table, drop.entry)
        there = mean.names.get(self.target) if mean is not None else None
        step = self.steps.get(there.name) if there is not None else None
        if isinstance(step, Move) and step.source.shape == drop.source.shape:
            self.steps[step.target.name] = replace(step, minus=drop.source)
        else:
            detail = "its values should be folded into a running mean, but no such mean of its shape is moved"
            self.problems.append(Problem(kind="drop", tensor=drop.source.name, detail=detail))

    def refusal(self) -> PlanError:
        """Every problem; in a sentence where the file is simply another model's."""
        port = f"{self.table.name} {self.source} -> {self.target} is refused, and no tensor has moved"
        if self._is_foreign():
            return PlanError(f"{port}: {self._foreign()}", self.problems, brief=True)
        if common := common_dtype(self.problems):
            return PlanError(f"{port}: {common}", self.problems, brief=True)
        count = len(self.problems)
        rule = "Every tensor of the source must be used and every tensor of the target set"
        return PlanError(
            f"{port}. {rule}; {count} {'is' if count == 1 else 'are'} not as the table says:", self.problems
        )

    def _is_foreign(self) -> bool:
        """Whether the file is another model's altogether: few of our names, or some of ours and all of another's."""
        expected = self._expected()
        share = len(expected & self.held.keys()) / max(1, len(expected))
        return share < 0.25 or (share < 0.75 and bool(identify(self.held)))

    def _expected(self) -> set[str]:
        return {entry.names[self.source].name for entry in self.table.entries if self.source in entry.names}

    def _foreign(self) -> str:
        expected = self._expected()
        example = f" such as '{shown(next(iter(self.held)))}'" if self.held else ""
        return (
            f"these are not {self.table.name}'s {self.source} weights. Expected {len(expected)} tensors such as "
            f"'{min(expected)}'; found {len(self.held)}{example}, {len(expected & self.held.keys())} of them under an "
            f"expected name. {self._whose()}"
        )

    def _whose(self) -> str:
        """What to try: a prefix, the model and the source whose names these are, or a look into the file."""
        expected = self._expected()
        if prefix := prefix_too_many(self.held, expected):
            return f"All have the prefix '{shown(prefix)}'. Try: {strip_flag(prefix)}."
        if prefix := prefix_missing(self.held, expected):
            return f"They lack the prefix '{prefix}', which the table's {self.source} names have."
        owner = owner_of(self.held)
        if owner is None:
            return "No table that comes with xframe has those names. Try: xframe inspect FILE."
        model, source = owner.columns[0]
        flags = f" and {owner.flags}" if owner.flags else ""
        return f"Those are the names of {owner}. Try: {model} with the source {source}{flags}."

    def plan(self) -> PortPlan:
        order = {name: index for index, name in enumerate(self.wanted or self.steps)}
        steps = tuple(sorted(self.steps.values(), key=lambda step: order[step.target.name]))
        return PortPlan(
            table=self.table, source=self.source, target=self.target, steps=steps, dropped=tuple(self.dropped)
        )
