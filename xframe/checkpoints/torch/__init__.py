"""What PyTorch writes: .pth, .pt, .bin."""
