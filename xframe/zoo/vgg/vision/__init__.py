"""VGG as torchvision and paddle.vision have it: two linear layers of 4096, relu, dropout of a half."""
