"""A planted fault, what must be said of it, and what is."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from planted import FRAMEWORKS, SIX, Sheet, TrainedSheet
from sequences import TokenSheet

from xframe.errors import ModelError, ProblemsError

BOTH = ("source", "target")


@dataclass(frozen=True)
class Outcome:
    """What xframe says: verdict, the layer or layers that it names, the causes, and whether all are confirmed."""

    verdict: str
    at: str = ""
    cause: str = ""
    confirmed: bool | None = None


@dataclass(frozen=True, eq=False)
class Fault:
    """How a fault is planted, and what must be said.

    ``knobs`` are turned on one side, ``base`` on both; ``spoil`` changes the table, ``weights`` the source's tensors,
    by name and in place, ``there`` those of the target's own file, which then is compared by ``diff``. ``options`` are
    those of the port, the diff or the training that looks, which ``by`` says. ``says`` are patterns that the text must
    hold, with {here} and {there} for the side that is spoilt and the other. ``cause`` is empty where no cause is asked
    for; ``sure`` says that it can be confirmed. It can be planted ``on`` these frameworks; with ``tokens``, in the
    networks over token ids.
    """

    id: str
    name: str
    verdict: str = "different"
    at: str = ""
    cause: str = ""
    knobs: dict = field(default_factory=dict)
    base: dict = field(default_factory=dict)
    spoil: Callable[[Sheet], None] | None = None
    weights: Callable[[str, dict], None] | None = None
    there: Callable[[str, dict], None] | None = None
    options: dict = field(default_factory=dict)
    says: tuple[str, ...] = ()
    pairs: tuple = SIX
    ends: tuple[str, ...] = BOTH
    on: tuple[str, ...] = FRAMEWORKS
    by: str = "port"
    sure: bool = True
    tokens: bool = False

    @property
    def expected(self):
        ran = self.verdict in ("different", "explained")
        return Outcome(self.verdict, self.at, self.cause, self.sure if ran and self.cause else False if ran else None)

    def sheet(self, source, target, end):
        sort = TokenSheet if self.tokens else TrainedSheet if self.by == "train" else Sheet
        sheet = sort(source, target, dict(self.knobs), end, dict(self.base))
        if self.spoil is not None:
            self.spoil(sheet)
        return sheet


@dataclass(frozen=True)
class Case:
    """One fault, on one pair, on one side."""

    fault: Fault
    source: str
    target: str
    end: str

    def __str__(self):
        return f"{self.fault.id}-{self.source}-{self.target}-{self.end}"

    @property
    def spoilt(self):
        """The framework that has the fault."""
        return getattr(self, self.end)

    @property
    def right(self):
        """The other one."""
        return self.target if self.end == "source" else self.source

    def __call__(self, bench):
        """Plant it and let xframe look; what it said, as an Outcome and as text."""
        sheet = self.fault.sheet(self.source, self.target, self.end)
        try:
            return bench.look(self.fault, sheet)
        except (ProblemsError, ModelError) as error:
            return refused(error, sheet), str(error)


def cases(faults):
    """Every fault on every pair and side where it can be planted."""
    return [
        Case(fault, *pair, end)
        for fault in faults
        for pair in fault.pairs
        for end in fault.ends
        if pair[BOTH.index(end)] in fault.on
    ]


def refused(error, sheet):
    """What a refusal names: the layers of its problems, or those that its text has; kinds of problems are its cause."""
    problems = getattr(error, "problems", ())
    of = [re.split(r"[./\[]", problem.tensor)[0] for problem in problems if problem.kind != "table"]
    named = dict.fromkeys(of or [layer for layer in sheet.rows if re.search(rf"\b{layer}\b", str(error))])
    kinds = ", ".join(dict.fromkeys(problem.kind for problem in problems))
    if "these are not" in str(error):  # a file of other names altogether
        named, kinds = {}, "names"
    return Outcome("refused", ", ".join(named), kinds)


def seen(result):
    """The outcome of a port or a diff that ran."""
    found = result.to_json()
    divergence = found["first_divergence"]
    if divergence is None:
        unproven = (found.get("tensors") or {}).get("unproven") if found["command"] == "port" else None
        named = dict.fromkeys(re.split(r"[./]", name)[0] for name in unproven or ())
        return Outcome(result.verdict, ", ".join(named))
    names = dict.fromkeys((divergence["source_name"], divergence["target_name"]))
    causes = divergence["causes"]
    sure = all(cause["confirmed"] for cause in causes) if causes else False
    return Outcome(result.verdict, " / ".join(names), ", ".join(c["cause"] for c in causes), sure)


def taught(result, cause):
    """The outcome of a training: its verdict, and the one of its causes that is asked for, else all of them."""
    found = {reason.cause: reason for reason in (*result.faults, *result.causes)}
    if cause not in found:
        return Outcome(result.verdict, "", ", ".join(found), False if found else None)
    first = re.split(r"[./ ]", found[cause].names[0])[0] if found[cause].names else ""
    at = first if cause in ("frozen", "statistic", "batch norm momentum") else ""
    return Outcome(result.verdict, at, cause, found[cause].confirmed)
