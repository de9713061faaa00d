"""Weight files: read and written without a framework, and without running anything that they say."""

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Outgoing, StoredTensor
from xframe.checkpoints.registry import encode, format_of, read, write
from xframe.checkpoints.selection import Selection, opened
from xframe.checkpoints.staging import Stage, staged

__all__ = [
    "Budget", "Checkpoint", "Outgoing", "Selection", "Stage", "StoredTensor",
    "encode", "format_of", "opened", "read", "staged", "write",
]  # fmt: skip
