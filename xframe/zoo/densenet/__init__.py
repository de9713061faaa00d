"""Densely connected networks, from images of any size to `num_classes` classes."""
