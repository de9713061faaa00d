"""From what was seen to causes: what rules and frameworks differ in, each tried out, and what is left over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from xframe.comparison import Tolerance, compare
from xframe.proving.optimizers.causes import Trait, followed_instead
from xframe.proving.optimizers.rules import Rule, rule_of
from xframe.proving.training.growth import growth
from xframe.proving.training.lockstep import Course, Lockstep
from xframe.proving.training.pairs import Pair
from xframe.proving.training.precision import precision_of
from xframe.proving.training.result import Cause, Parting
from xframe.proving.training.retrace import EPSILON, POOLS, Allowed, Retrace, retrace, traits_of
from xframe.proving.training.statistics import momenta, statistics

_MOST = 5  # names in a sentence
_SHARE = 0.01  # of the largest trait's effect: what does less than that is not worth a sentence
_GROWTH = 10.0  # times what the source parts from itself
_WHY = {
    EPSILON: "paddle hands epsilon to its normalisation as a float32 attribute; with the rounded epsilon on the other "
    "side too, the gradients agree",
    POOLS: "paddle spreads an average pool's gradient with 1/n in float32; scaled by that number times n, the other "
    "side's gradients agree",
}


@dataclass(slots=True)
class Explanation:
    """``causes`` explain, ``faults`` do not, ``accounted`` are conventions that spoil nothing."""

    causes: list[Cause] = field(default_factory=list)
    faults: list[Cause] = field(default_factory=list)
    accounted: list[Cause] = field(default_factory=list)


def explain(course: Course, walked: Lockstep) -> Explanation:
    """Look for causes where something parted; runs both sides again for that."""
    found = Explanation()
    parting = walked.parting
    if parting is not None and parting.step == 0:
        found.faults.append(_other_start(parting))
        return found
    found.faults.extend(_frozen(course, walked))
    wrong = [
        pair for pair in course.pairs if pair.target in walked.statistics and not walked.statistics[pair.target][1]
    ]
    if found.faults:
        return found
    if parting is not None or wrong:
        precision = precision_of(course.ends, course.batches[0])
        seen = retrace(course, precision, 1 if parting is None else parting.step)
        wrong = _look_through(course, walked, seen, found)
    right = [pair for pair in course.pairs if pair.target in walked.statistics and pair not in wrong]
    found.causes.extend(momenta(course, right))
    found.accounted.extend(statistics(course, walked, right))
    return found


def _other_start(parting: Parting) -> Cause:
    detail = f"the sides do not hold the same weights at the start: {parting.source_name} is not {parting.target_name}"
    return Cause(cause="start", detail=detail, confirmed=True, step=0, found=parting.max_rel)


def _frozen(course: Course, walked: Lockstep) -> Iterable[Cause]:
    """Tensors that one side trains and the other does not."""
    for side in (0, 1):
        name = course.ends[side].side.implementation.name
        other = course.ends[1 - side].side.implementation.name
        frozen = [pair for pair in course.pairs if pair.trained == (side == 1, side == 0)]
        names = [name for pair in frozen for name in ((pair.target,) if side else pair.sources)]
        if names:
            still = all(held in walked.still[side] for held in names)
            moved = "and did not move" if still else "but moved"
            detail = f"frozen in {name} {moved}, trained in {other}: {_few(names)}"
            yield Cause(cause="frozen", detail=detail, confirmed=still, names=tuple(names))


def _look_through(course: Course, walked: Lockstep, seen: Retrace, found: Explanation) -> list[Pair]:
    """Faults first; without any, what the rules and the frameworks differ in. Pairs whose statistic is wrong."""
    found.faults.extend(_apart(course, seen))
    found.faults.extend(_disobeyed(course, seen))
    found.causes.extend(_allowed(why, allowed) for why, allowed in seen.allowed.items())
    by_rules = [] if walked.parting is None else [*_by_rules(course, seen, walked.parting)]
    found.causes.extend(by_rules)
    if walked.parting is not None and not found.faults and not by_rules:
        grown = _grown(course, seen, walked.parting)
        (found.causes if grown.confirmed else found.faults).append(grown)
    wrong = {apart.name for apart in seen.apart if apart.what == "statistic"}
    return [pair for pair in course.pairs if pair.target in wrong]


def _allowed(why: str, found: Allowed) -> Cause:
    detail = f"{_WHY[why]} to {found.left:.1e} instead of {found.found:.1e}"
    step, names = found.step, (found.name,)
    return Cause(cause=why, detail=detail, confirmed=True, step=step, names=names, found=found.found)


def _apart(course: Course, seen: Retrace) -> Iterable[Cause]:
    """What is another at the same weights, in the first step that shows any, a sentence a sort."""
    first = min((apart.step for apart in seen.apart), default=0)
    pairs = {pair.target: pair for pair in course.pairs}
    for what in ("loss", "gradient", "statistic"):
        apart = [entry for entry in seen.apart if entry.step == first and entry.what == what]
        if not apart:
            continue
        worst = max(apart, key=lambda entry: entry.comparison.max_rel)
        names = [pairs[entry.name].name if entry.name in pairs else entry.name for entry in apart]
        how = worst.comparison.reason or f"relative {worst.comparison.max_rel:.1e} at {worst.name}"
        detail = f"at the same weights the {what} is another: {how}"
        if what != "loss":
            detail += f"; {len(names)} in all: {_few(names[::-1])}"  # backwards, as gradients come
        if what == "statistic":
            detail += _expected(pairs[worst.name])
        size = worst.comparison.max_rel
        finite = size if np.isfinite(size) else None
        yield Cause(cause=what, detail=detail, confirmed=False, step=first, names=tuple(names), found=finite)


def _expected(pair: Pair) -> str:
    assert pair.norms is not None
    return f"; expected {pair.factor:.6g} times the source's, momentum {pair.norms[0].said} and {pair.norms[1].said}"


def _disobeyed(course: Course, seen: Retrace) -> Iterable[Cause]:
    """Sides whose updates are not what their optimizer's rule says, and what they are instead."""
    for side, updates in seen.disobeyed.items():
        end = course.ends[side]
        rule = rule_of(end.framework, end.optimizer)
        worst = max(updates, key=lambda update: update.off(rule))
        instead = followed_instead(rule, updates)
        said = f"it does with {instead[0]}" if instead is not None else "no rule that is known does"
        yield Cause(
            cause="optimizer",
            detail=f"{end.side.implementation.name} does not do what '{end.optimizer}' says; {said}",
            confirmed=instead is not None,
            step=worst.at,
            names=(worst.name,),
            found=worst.off(rule),
        )


def _by_rules(course: Course, seen: Retrace, parting: Parting) -> Iterable[Cause]:
    """The points in which both sides' rules differ, the largest effect first, each with its effect in that step."""
    ours, theirs = (rule_of(end.framework, end.optimizer) for end in course.ends)
    pair = _shown_on(course, seen, parting)
    found = traits_of(course)
    if pair is None or not found:
        return
    predicted, real = _sizes(seen, pair, (ours, theirs))
    effects = sorted(((_effect(seen, trait), trait) for trait in found), key=lambda entry: -entry[0])
    for effect, trait in effects:
        if effect < _SHARE * effects[0][0]:
            continue
        yield Cause(
            cause=trait.name,
            detail=f"{trait.sentence}; alone {effect:.1e} by then",
            confirmed=not seen.disobeyed,
            step=seen.at,
            names=(pair.name,),
            predicted=predicted,
            found=real,
        )


def _shown_on(course: Course, seen: Retrace, parting: Parting) -> Pair | None:
    """The tensor that parted first; where it was the loss, the one that is farthest apart after that step."""
    ours, theirs = seen.updates
    both = [pair for pair in course.pairs if pair.is_in(ours) and pair.target in theirs]
    named = next((pair for pair in both if pair.target == parting.target_name), None)
    return named or max(both, key=lambda pair: _apart_after(seen, pair), default=None)


def _apart_after(seen: Retrace, pair: Pair) -> float:
    ours, theirs = seen.updates
    expected = pair.carried({name: ours[name].after for name in pair.sources})
    return compare(expected, theirs[pair.target].after, Tolerance()).max_rel


def _sizes(seen: Retrace, pair: Pair, rules: tuple[Rule, Rule]) -> tuple[float, float]:
    """How far apart the two rules put a tensor, each from its own side's gradient and state, and how far it is."""
    ours = pair.carried({name: seen.updates[0][name].predicted(rules[0]) for name in pair.sources})
    predicted = compare(ours, seen.updates[1][pair.target].predicted(rules[1]), Tolerance()).max_rel
    return predicted, _apart_after(seen, pair)


def _effect(seen: Retrace, trait: Trait) -> float:
    """The largest relative difference that one trait has made to a tensor of the source by then."""
    shadows, ours = seen.shadows[trait.name], seen.updates[0]
    found = (compare(ours[name].after, shadow, Tolerance()).max_rel for name, shadow in shadows.items() if name in ours)
    return max(found, default=float("inf"))


def _grown(course: Course, seen: Retrace, parting: Parting) -> Cause:
    """A small difference that training carries on: rounding, where nothing else is known of it."""
    by = max(seen.gradients, 2.0**-52)
    own = growth(course, by, seen.at)
    source = course.ends[0].side.implementation.name
    detail = (
        f"up to this step all gradients agree to {by:.1e} at the same weights, and every update is its rule's; "
        f"training carries that on: {source} parts from itself by {own:.1e} when its weights are moved by as much"
    )
    return Cause(
        cause="growth" if any(allowed.first <= seen.at for allowed in seen.allowed.values()) else "rounding",
        detail=detail,
        confirmed=parting.max_rel <= _GROWTH * own,
        step=parting.step,
        names=(parting.target_name,),
        predicted=own,
        found=parting.max_rel,
    )


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"{', '.join(names[:_MOST])}{more}"
