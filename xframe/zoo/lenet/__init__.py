"""LeNet-5 and its relatives, from 1x32x32 images to 10 classes."""
