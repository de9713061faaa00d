"""How far training carries a rounding: one side against itself, from weights that are a hair apart."""

from __future__ import annotations

import numpy as np

from xframe.comparison import Tolerance, compare
from xframe.proving.training.lockstep import Course
from xframe.proving.training.sides import Arrays

_SEED = 0


def growth(course: Course, by: float, steps: int) -> float:
    """The source's largest relative difference from itself after ``steps``, its weights moved by ``by`` at the start.

    ``by`` is relative, of either sign, drawn for every weight.
    """
    end = course.ends[0]
    trained = [name for pair in course.pairs if pair.trained[0] for name in pair.sources]
    straight = _after(course, {}, steps)
    random = np.random.default_rng(_SEED)
    moved = {name: end.start[name] * (1 + by * random.choice((-1.0, 1.0), end.start[name].shape)) for name in trained}
    other = _after(course, moved, steps)
    return max(compare(straight[name], other[name], Tolerance()).max_rel for name in trained)


def _after(course: Course, instead: Arrays, steps: int) -> Arrays:
    """The source's tensors after so many steps, with other values in some of them at the start."""
    end = course.ends[0]
    course.restart()
    with end.side.scratch():
        end.set_tensors(instead)
        for batch in course.batches[:steps]:
            end.step(batch)()
        return end.tensors()()
