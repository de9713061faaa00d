"""Prefixes that a wrapper puts before every name, such as ``module.``: they are found and told, not removed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from itertools import islice

from xframe.checkpoints.refusals import shown

_ENDS = re.compile(r"[./]")
_MOST = 8
# What optimizers call their state: PyTorch by a parameter's number, Paddle by its name (linear_0.w_0_moment1_0), Keras
# by path.
_OPTIMIZER = re.compile(
    r"(^|\.)state\.\d+\.[a-z_]+$"
    r"|(^|\.)(exp_avg|exp_avg_sq|max_exp_avg_sq|exp_inf|momentum_buffer|square_avg|acc_delta|grad_avg)$"
    r"|_(moment[12]?|moment2_max|velocity|momentum|inf_norm|mean_square|mean_grad)_\d+$"
    r"|_(beta[12]_pow|beta[12]_pow_acc|momentum_decay_pow|mu_product|rho|avg_squared_grad|avg_squared_update)_\d+$"
    r"|(^|/)optimizer/"
)


def shared_prefixes(names: Collection[str]) -> list[str]:
    """The prefixes, each ending at a dot or slash, that all ``names`` start with; the shortest first, a few at most.

    >>> shared_prefixes(["module.fc.weight", "module.fc.bias"])
    ['module.', 'module.fc.']
    """
    low, high = min(names, default=""), max(names, default="")  # all others lie between them
    length = next((at for at, pair in enumerate(zip(low, high, strict=False)) if pair[0] != pair[1]), len(low))
    common = low[:length]
    return [common[: match.end()] for match in islice(_ENDS.finditer(common), _MOST)]


def prefix_too_many(names: Collection[str], expected: Collection[str]) -> str:
    """The prefix that all ``names`` share and without which they are most of the expected ones; '' if there is none."""
    wanted = frozenset(expected)
    fits = {prefix: sum(name.removeprefix(prefix) in wanted for name in names) for prefix in shared_prefixes(names)}
    best = max(fits, key=lambda prefix: fits[prefix], default="")
    return best if best and 2 * fits[best] > len(wanted) else ""


def prefix_missing(names: Collection[str], expected: Collection[str]) -> str:
    """The other way round: what all expected names start with, and ``names`` lack."""
    return prefix_too_many(expected, names)


def strip_flag(prefix: str) -> str:
    """The option that removes ``prefix``, quoted, so that the end of a sentence behind it is no part of it."""
    words = shown(prefix)
    quoted = shlex.quote(words) if "'" in words else f"'{words}'"
    return f"--strip-prefix {quoted}"


def is_optimizer_state(names: Collection[str]) -> bool:
    """Whether most of ``names`` are what an optimizer calls its state."""
    return 2 * sum(_OPTIMIZER.search(name) is not None for name in names) > len(names)
