"""Mobile networks with squeezed and excited channels, from images of any size to `num_classes` classes."""
