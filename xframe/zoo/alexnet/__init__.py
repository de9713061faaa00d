"""AlexNet, from 1x224x224 images to `num_classes` classes."""
