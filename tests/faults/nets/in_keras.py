"""A small network in Keras, right unless an option says otherwise; (N, 16, 16, 1) to (N, 5)."""

import keras
from keras import layers
from keras.ops import relu


class Unfaithful(layers.BatchNormalization):
    """Loads less, or something else, than the file holds."""

    def __init__(self, loader, **options):
        super().__init__(**options)
        self.loader = loader

    def load_own_variables(self, store):
        before = self.gamma + 0
        super().load_own_variables(store)
        if self.loader != "faithful":
            self.gamma.assign(before if self.loader == "skipping" else self.gamma * 2)


def ended(x, ending):
    endings = {"column": lambda: x[:, :, None], "pair": lambda: [x, x], "above": lambda: x + 1}
    return endings.get(ending, lambda: keras.ops.flip(x, 1) if ending == "reversed" else x)()


def small(
    epsilon=1e-5, padding="both", pool="max", relus=1, bias=True, training="never", loader="faithful", ending="logits"
):
    images = keras.Input((16, 16, 1), dtype=keras.config.dtype_policy().compute_dtype)
    x = images if padding == "same" else layers.ZeroPadding2D(1)(images)
    x = layers.Conv2D(4, 3, strides=2, padding="same" if padding == "same" else "valid", use_bias=bias, name="conv1")(x)
    x = layers.BatchNormalization(epsilon=epsilon, name="bn1")(x, training=training != "never")
    for _ in range(relus):
        x = relu(x)
    x = layers.Conv2D(4, 3, padding="same", name="conv2")(x)
    x = relu(Unfaithful(loader, epsilon=1e-5, name="bn2")(x))
    x = relu(layers.Conv2D(4, 3, padding="same", name="conv3")(x))
    x = layers.AveragePooling2D(2)(x) if pool == "avg" else layers.MaxPooling2D(2)(x)
    x = relu(layers.Dense(6, name="dense1")(layers.Flatten()(x)))
    x = relu(layers.Dense(6, name="square")(x))
    x = layers.Dense(5, name="dense2")(x)
    return keras.Model(images, ended(x, ending))
