"""Run as a script with a folder: writes Keras' own files into it, and what is in them."""

import sys
from pathlib import Path

import keras
from exchange import tell, told


def one(variable):
    array = keras.ops.convert_to_numpy(variable)
    return told(variable.dtype, array.shape, array.tobytes())


def layers(model, prefix=""):
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from layers(layer, f"{prefix}{layer.name}/")
        else:
            yield f"{prefix}{layer.name}", layer


def described(model):
    return {
        f"{path}/vars/{index}": one(variable)
        for path, layer in layers(model)
        for index, variable in enumerate(layer.weights)
    }


def build():
    keras.utils.set_random_seed(7)
    inner = keras.Sequential([keras.layers.Conv2D(2, 3, name="deep")], name="inner")
    inputs = keras.Input((8, 8, 3))
    hidden = keras.layers.BatchNormalization(name="bn.1")(keras.layers.Conv2D(4, 3, name="conv1")(inputs))
    hidden = keras.layers.Flatten()(inner(hidden))
    return keras.Model(inputs, keras.layers.Dense(3, dtype="bfloat16", name="fc")(hidden))


theirs = Path(sys.argv[1])
model = build()
model.compile("adam", "mse")
model.optimizer.build(model.trainable_variables)
model.save_weights(theirs / "net.weights.h5")
tell(theirs, "net.weights.h5", described(model))
model.save(theirs / "net.keras")
tell(theirs, "net.keras", described(model))
legacy = keras.Sequential([keras.Input((4, 3)), keras.layers.LSTM(2, name="l"), keras.layers.Dense(2, name="d")])
legacy.save(theirs / "legacy.h5")
tell(theirs, "legacy.h5", {variable.path: one(variable) for variable in legacy.weights})
