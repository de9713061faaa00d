"""lenet5_maxavg on own operators beside the framework's layers: seconds a forward and a training step, batch 64."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import paddle

from xframe.zoo.lenet.paddle import lenet5_maxavg, lenet5_maxavg_custom

RUNS = 15


Work = Callable[[paddle.nn.Layer, paddle.Tensor], None]


def forward(model: paddle.nn.Layer, inputs: paddle.Tensor) -> None:
    """Inference."""
    with paddle.no_grad():
        model(inputs)


def step(model: paddle.nn.Layer, inputs: paddle.Tensor) -> None:
    """Forward and backward."""
    model(inputs).sum().backward()
    model.clear_gradients()


def seconds(work: Work, model: paddle.nn.Layer, inputs: paddle.Tensor) -> float:
    """How long it takes once."""
    started = time.perf_counter()
    work(model, inputs)
    return time.perf_counter() - started


def ratios(work: Work) -> dict[str, float]:
    """Medians of both, taken in turn."""
    inputs = paddle.randn([64, 1, 32, 32])
    models = lenet5_maxavg_custom(), lenet5_maxavg()
    for model in models:
        work(model, inputs)
    pairs = [[seconds(work, model, inputs) for model in models] for _ in range(RUNS)]
    own, framework = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {"own": own, "framework": framework, "ratio": statistics.median(a / b for a, b in pairs)}


print(json.dumps({"forward": ratios(forward), "forward and backward": ratios(step)}))
