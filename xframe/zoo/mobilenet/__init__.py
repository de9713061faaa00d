"""Mobile networks, from images of any size to `num_classes` classes; version 3 in `v3`."""
