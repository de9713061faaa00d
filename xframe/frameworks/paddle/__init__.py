"""Paddle, inside its worker."""

from __future__ import annotations

from typing import Any, ClassVar

import paddle

from xframe.frameworks.paddle import backward, described, exporting, model, oddities, passes


class Paddle:
    """State dicts and forward passes of ``paddle.nn.Layer``."""

    versions: ClassVar = {"paddle": paddle.__version__}

    build = staticmethod(model.build)
    state = staticmethod(model.state)
    load = staticmethod(model.load)
    load_file = staticmethod(model.load_file)
    save_file = staticmethod(model.save_file)
    precision = staticmethod(passes.precision)
    export_onnx = staticmethod(exporting.export_onnx)
    run = staticmethod(passes.run)
    replay = staticmethod(passes.replay)
    gradients = staticmethod(backward.gradients)
    trainable = staticmethod(backward.trainable)
    layers = staticmethod(described.layers)
    attributes = staticmethod(described.attributes)
    oddities = staticmethod(oddities.oddities)

    @staticmethod
    def trainer(*of: Any) -> Any:
        """``training.Trains.trainer``; only a training needs what it imports."""
        from xframe.frameworks.paddle.training import Trainer  # noqa: PLC0415

        return Trainer(*of)


framework = Paddle()
