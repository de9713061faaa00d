"""PyTorch, inside its worker."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from xframe.frameworks.savings import either
from xframe.frameworks.torch import backward, described, exporting, model, oddities, passes


class Torch:
    """State dicts and forward passes of ``torch.nn.Module``."""

    versions: ClassVar = {"torch": torch.__version__}

    build = staticmethod(model.build)
    state = staticmethod(model.state)
    load = staticmethod(model.load)
    load_file = staticmethod(model.load_file)
    save_file = staticmethod(model.save_file)
    precision = staticmethod(passes.precision)
    export_onnx = either(exporting.export_onnx, "torch")
    run = either(passes.run, "torch")
    replay = either(passes.replay, "torch")
    gradients = either(backward.gradients, "torch")
    trainable = staticmethod(backward.trainable)
    layers = either(described.layers, "torch")
    attributes = staticmethod(described.attributes)
    oddities = staticmethod(oddities.oddities)

    @staticmethod
    def trainer(*of: Any) -> Any:
        """``training.Trains.trainer``; only a training needs what it imports."""
        from xframe.frameworks.torch.training import Trainer  # noqa: PLC0415

        return Trainer(*of)


framework = Torch()
