"""Convolution and pooling written out in slices and sums: what the framework's own layers are checked against."""
