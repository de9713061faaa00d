"""ShuffleNet V2, from images of any size to `num_classes` classes."""
