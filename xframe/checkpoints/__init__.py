"""Weight files: read and written without a framework, and without running anything that they say."""

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Outgoing, StoredTensor
from xframe.checkpoints.registry import encode, format_of, read, write, write_sharded
from xframe.checkpoints.selection import Selection, opened
from xframe.checkpoints.shards import index_path
from xframe.checkpoints.staging import Stage, staged

__all__ = [
    "Budget", "Checkpoint", "Outgoing", "Selection", "Stage", "StoredTensor",
    "encode", "format_of", "index_path", "opened", "read", "staged", "write", "write_sharded",
]  # fmt: skip
