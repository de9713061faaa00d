"""Inception v3 without auxiliary head, from images of any size of 75 pixels or more to `num_classes` classes."""
