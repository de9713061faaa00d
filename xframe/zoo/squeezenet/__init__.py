"""SqueezeNet, from images of any size to `num_classes` classes."""
