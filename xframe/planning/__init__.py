"""The plan: every tensor's move, fill or drop, decided before any tensor moves."""

from xframe.planning.account import Account
from xframe.planning.catalogue import Owner, identify, owners, spoken
from xframe.planning.plan import Dropped, Filled, Fold, Join, Move, PortPlan, Specs, Step, Values
from xframe.planning.planner import make_plan
from xframe.planning.pouring import carried, computed, outgoing

__all__ = [
    "Account", "Dropped", "Filled", "Fold", "Join", "Move", "Owner", "PortPlan", "Specs", "Step", "Values",
    "carried", "computed", "identify", "make_plan", "outgoing", "owners", "spoken",
]  # fmt: skip
