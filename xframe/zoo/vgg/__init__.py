"""VGG networks, from 3-channel images to `num_classes` classes."""
