"""AlexNet as torchvision and paddle.vision have it, from 3-channel images to `num_classes` classes."""
