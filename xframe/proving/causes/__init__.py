"""Why two layers differ. Every cause is tried out: it is confirmed only where applying it makes the layer agree."""

from xframe.proving.causes.cause import Cause
from xframe.proving.causes.diagnose import diagnose, diagnose_outputs

__all__ = ["Cause", "diagnose", "diagnose_outputs"]
