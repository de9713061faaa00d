"""Of torch.nn, the class that every model is of."""

from faulty import Model as Module

__all__ = ["Module"]
