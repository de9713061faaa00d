"""Training parity: both sides take the same steps on the same batches and are held against each other after each.

First the lockstep alone. Where two tensors part, it is done again with gradients and optimizer states looked at: at
the source's weights the target must have the source's gradients, and each side's update must be its rule's, computed
from its own gradient and state. Then every step of the one is the other's but for what the rules differ in, and that
is predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from xframe.comparison import Tolerance
from xframe.errors import UsageError
from xframe.planning import PortPlan
from xframe.proving.optimizers.rules import rule_of
from xframe.proving.optimizers.spec import Optimizer
from xframe.proving.optimizers.state import converted, first_difference
from xframe.proving.sides import Side
from xframe.proving.training.explain import Explanation, explain
from xframe.proving.training.lockstep import Course, Lockstep, lockstep
from xframe.proving.training.pairs import pair_up
from xframe.proving.training.result import Cause, Silence, Training
from xframe.proving.training.sides import Batch, OptimizerState, TrainingSide

_STATES = tuple[OptimizerState, OptimizerState]


def train(
    source: Side,
    target: Side,
    plan: PortPlan,
    batches: Sequence[Batch],
    optimizers: Optimizer | tuple[Optimizer, Optimizer],
    *,
    tolerance: Tolerance | None = None,
    states: _STATES | None = None,
) -> Training:
    """Train both sides, which hold the same weights, one step a batch, and say where and why they part.

    ``optimizers`` is the source's and the target's, or one for both; ``states`` are their optimizers' states at the
    start. Everything is done in float64 and in training mode, which is set here, without dropout. Both sides have their
    weights back at the end, and stay in float64. Raises UsageError where nothing can be trained, ModelError for what a
    model or a framework raises.
    """
    if not batches:
        raise UsageError("Training parity takes at least one step; found 0. Try: --train-steps 3.")
    ours, theirs = optimizers if isinstance(optimizers, tuple) else (optimizers, optimizers)
    tolerance = tolerance or Tolerance()
    with ExitStack() as stack:
        stack.enter_context(source.scratch())
        ends = TrainingSide(source, ours), TrainingSide(target, theirs)
        pairs = pair_up(*ends, plan, batches[0])
        course = Course(ends, plan, pairs, tuple(batches), tolerance, states)
        for end in ends:
            stack.callback(end.end)
        if states is not None and (fault := _other_state(course, states)):
            return _never_started(course, fault)
        walked = lockstep(course)
        return _result(course, walked, explain(course, walked))


def _other_state(course: Course, states: _STATES) -> str:
    """What the target's optimizer does not start with; empty where both states are one."""
    rules = tuple(rule_of(end.framework, end.optimizer) for end in course.ends)
    return first_difference(converted(states[0], course.plan, (rules[0], rules[1])), states[1])


def _never_started(course: Course, fault: str) -> Training:
    source, target = course.ends
    detail = f"the target's optimizer does not start from the source's state: {fault}"
    return Training(
        source=source.side.implementation.name,
        target=target.side.implementation.name,
        optimizers=(source.optimizer, target.optimizer),
        steps=(),
        tensors=len(course.pairs),
        parting=None,
        causes=(),
        faults=(Cause(cause="state", detail=detail, confirmed=True, step=0),),
        accounted=(),
        silenced=(Silence((), 0), Silence((), 0)),
        notes=course.notes,
    )


def _result(course: Course, walked: Lockstep, found: Explanation) -> Training:
    source, target = course.ends
    return Training(
        source=source.side.implementation.name,
        target=target.side.implementation.name,
        optimizers=(source.optimizer, target.optimizer),
        steps=walked.steps,
        tensors=len(course.pairs),
        parting=walked.parting,
        causes=tuple(found.causes),
        faults=tuple(found.faults),
        accounted=tuple(found.accounted),
        silenced=(Silence(*walked.silenced[0]), Silence(*walked.silenced[1])),
        notes=course.notes,
    )
