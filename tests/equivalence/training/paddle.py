"""ResNet-18 for one channel, trained in Paddle; `paddle.py DIGITS.npz OUT.pdparams`."""

import sys

import numpy as np
import paddle

from xframe.zoo.resnet.paddle import resnet18_custom

images, labels = (np.load(sys.argv[1])[name] for name in ("images", "labels"))
order = np.random.default_rng(0)


def batches(size, epochs):
    for _ in range(epochs):
        yield from np.array_split(order.permutation(len(images)), len(images) // size)


paddle.seed(0)
network = resnet18_custom(in_channels=1, num_classes=10)
optimizer = paddle.optimizer.SGD(0.01, parameters=network.parameters())
for batch in batches(32, 2):
    logits = network(paddle.to_tensor(images[batch]))
    paddle.nn.functional.cross_entropy(logits, paddle.to_tensor(labels[batch])).backward()
    optimizer.step()
    optimizer.clear_grad()
paddle.save(network.state_dict(), sys.argv[2])
