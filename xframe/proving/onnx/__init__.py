"""ONNX exports held to the models that they came from: what they compute, and which weights are in them."""
