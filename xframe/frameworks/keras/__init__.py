"""Keras, inside its worker, on the TensorFlow backend unless ``KERAS_BACKEND`` says otherwise."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from xframe.frameworks.factories import resolve
from xframe.frameworks.keras import backward, described, exact, exporting, model, oddities, passes


class Keras:
    """Variables and forward passes of ``keras.Model``. A variable's name is its path, ``conv1/kernel``."""

    def __init__(self) -> None:
        model.keep_float64()
        exact.install()
        backend = keras.backend.backend()
        self.versions = {"keras": keras.__version__, backend: resolve(f"{backend}:__version__")}

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
        from xframe.frameworks.keras.training import Trainer  # noqa: PLC0415

        return Trainer(*of)


framework = Keras()
