"""Paddle, inside its worker."""

from __future__ import annotations

from typing import Any, ClassVar

import paddle

from xframe.frameworks.paddle import backward, described, exporting, model, oddities, passes
from xframe.frameworks.savings import either


class Paddle:
    """State dicts and forward passes of ``paddle.nn.Layer``."""

    versions: ClassVar = {"paddle": paddle.__version__}

    build = staticmethod(model.build)
    state = either(model.state, "paddle")
    load = either(model.load, "paddle")
    load_file = either(model.load_file, "paddle")
    save_file = either(model.save_file, "paddle")
    precision = staticmethod(passes.precision)
    export_onnx = either(exporting.export_onnx, "paddle")
    run = either(passes.run, "paddle")
    replay = either(passes.replay, "paddle")
    gradients = either(backward.gradients, "paddle")
    trainable = either(backward.trainable, "paddle")
    layers = either(described.layers, "paddle")
    attributes = either(described.attributes, "paddle")
    oddities = either(oddities.oddities, "paddle")

    @staticmethod
    def trainer(*of: Any) -> Any:
        """``training.Trains.trainer``; only a training needs what it imports."""
        from xframe.frameworks.paddle.training import Trainer  # noqa: PLC0415

        return Trainer(*of)


framework = Paddle()
