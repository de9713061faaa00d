"""The plan: every tensor's move, fill or drop, decided before any tensor moves."""

from xframe.planning.identify import identify, spoken
from xframe.planning.plan import Dropped, Filled, Move, PortPlan, Specs, Values, computed, conversion_loss, outgoing
from xframe.planning.planner import make_plan

__all__ = [
    "Dropped", "Filled", "Move", "PortPlan", "Specs", "Values",
    "computed", "conversion_loss", "identify", "make_plan", "outgoing", "spoken",
]  # fmt: skip
