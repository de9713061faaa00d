"""Weight files: read and written without a framework, and without running anything that they say."""

from xframe.checkpoints.model import Checkpoint, Outgoing, StoredTensor
from xframe.checkpoints.registry import encode, format_of, read, write
from xframe.checkpoints.staging import Stage, staged

__all__ = ["Checkpoint", "Outgoing", "Stage", "StoredTensor", "encode", "format_of", "read", "staged", "write"]
