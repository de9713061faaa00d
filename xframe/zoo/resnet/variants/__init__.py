"""Residual networks once more, of layers that hold a convolution and its batch norm: other names, the same numbers."""
