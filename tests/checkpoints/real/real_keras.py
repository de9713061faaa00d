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


def save_legacy(model, name):
    model.save(theirs / name)
    tell(theirs, name, {variable.path: one(variable) for variable in model.weights})


theirs = Path(sys.argv[1])
model = build()
model.compile("adam", "mse")
model.optimizer.build(model.trainable_variables)
model.save_weights(theirs / "net.weights.h5")
tell(theirs, "net.weights.h5", described(model))
model.save(theirs / "net.keras")
tell(theirs, "net.keras", described(model))
legacy = keras.Sequential([keras.Input((4, 3)), keras.layers.LSTM(2, name="l"), keras.layers.Dense(2, name="d")])
save_legacy(legacy, "legacy.h5")
inputs = keras.Input((8, 8, 3))
hidden = keras.layers.BatchNormalization(name="bn")(keras.layers.Conv2D(4, 3, name="conv1")(inputs))
inner = keras.Sequential([keras.layers.Conv2D(2, 3, name="deep")], name="inner")
nested = keras.Model(inputs, keras.layers.Dense(3, name="fc")(keras.layers.Flatten()(inner(hidden))))
nested.compile("adam", "mse")
nested.optimizer.build(nested.trainable_variables)
save_legacy(nested, "nested.h5")
# More than 64,512 bytes of names: Keras splits both lists, that of the layers and that of one layer's weights.
long = "n" * 600
many = [keras.layers.Activation("relu", name=f"{long}{index}") for index in range(60)]
heavy = keras.Sequential([keras.layers.Dense(1, name=f"{long}{index}") for index in range(60)], name="heavy")
layers_of_long = [keras.layers.Dense(1, name=f"{long}x{index}") for index in range(60)]
save_legacy(keras.Sequential([keras.Input((1,)), heavy, *layers_of_long, *many], name="long"), "long.h5")
