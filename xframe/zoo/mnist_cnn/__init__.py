"""A small convolutional network for MNIST, from 1x28x28 images to 10 classes."""
