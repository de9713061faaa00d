"""Why two layers differ. Every cause is tried out: it is confirmed only where applying it makes the layer agree."""

from xframe.proving.causes.calls import diagnose_calls, first_uneven
from xframe.proving.causes.cause import Cause
from xframe.proving.causes.diagnose import diagnose
from xframe.proving.causes.outputs import diagnose_outputs

__all__ = ["Cause", "diagnose", "diagnose_calls", "diagnose_outputs", "first_uneven"]
