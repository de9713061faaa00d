"""Residual networks with more layers than 18, or wider ones, under torchvision's names; Paddle brings its own."""
