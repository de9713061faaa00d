"""The plan: every tensor's move, fill or drop, decided before any tensor moves."""

from xframe.planning.account import Account
from xframe.planning.identify import Owner, identify, owners, spoken
from xframe.planning.plan import Dropped, Filled, Move, PortPlan, Specs, Values, computed, outgoing
from xframe.planning.planner import make_plan

__all__ = [
    "Account", "Dropped", "Filled", "Move", "Owner", "PortPlan", "Specs", "Values",
    "computed", "identify", "make_plan", "outgoing", "owners", "spoken",
]  # fmt: skip
