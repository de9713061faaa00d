"""Network in network, from 3x32x32 images to 10 classes."""
