"""What ONNX exporters write: .onnx, and tensors in files beside it."""
