"""Takes the first Relu out of an ONNX graph, as a careless optimisation might: `python without_a_relu.py IN OUT`."""

import sys

import onnx

model = onnx.load(sys.argv[1])
relu = next(node for node in model.graph.node if node.op_type == "Relu")
for node in model.graph.node:
    node.input[:] = [relu.input[0] if name == relu.output[0] else name for name in node.input]
model.graph.node.remove(relu)
onnx.save(model, sys.argv[2])
