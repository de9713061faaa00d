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


class Unbiased(layers.BatchNormalization):
    """Keeps a running variance of batches divided by N − 1, as torch does; keras divides by N."""

    def call(self, inputs, training=None, mask=None):
        before = self.moving_variance + 0
        outputs = super().call(inputs, training=training, mask=mask)
        if training:
            count = keras.ops.size(inputs) / inputs.shape[-1]
            change = self.moving_variance - before * self.momentum
            self.moving_variance.assign(before * self.momentum + change * (count / (count - 1)))
        return outputs


class Evaluated(layers.BatchNormalization):
    """In evaluation mode for good. A functional model overrides what a layer is called with, so that is not enough."""

    def call(self, inputs, training=None, mask=None):  # noqa: ARG002
        return super().call(inputs, training=False, mask=mask)


class Dropped(layers.Layer):
    """Dropout by a function, not by a layer of its own."""

    def call(self, inputs, training=None):
        return keras.random.dropout(inputs, 0.5) if training else inputs


def ended(x, ending):
    endings = {"column": lambda: x[:, :, None], "pair": lambda: [x, x], "above": lambda: x + 1}
    return endings.get(ending, lambda: keras.ops.flip(x, 1) if ending == "reversed" else x)()


def small(
    epsilon=1e-5, padding="both", pool="max", relus=1, bias=True, training="never", loader="faithful", ending="logits",
    momentum=0.1, frozen="", dropout="none", variance="own",
):  # fmt: skip
    images = keras.Input((16, 16, 1), dtype=keras.config.dtype_policy().compute_dtype)
    x = images if padding == "same" else layers.ZeroPadding2D(1)(images)
    x = layers.Conv2D(4, 3, strides=2, padding="same" if padding == "same" else "valid", use_bias=bias, name="conv1")(x)
    normed = Unbiased if variance == "N - 1" else Evaluated if training == "forgotten" else layers.BatchNormalization
    x = normed(epsilon=epsilon, momentum=1 - momentum, name="bn1")(
        x, training=None if training in ("never", "forgotten") else True
    )
    for _ in range(relus):
        x = relu(x)
    x = layers.Conv2D(4, 3, padding="same", name="conv2")(x)
    x = relu(Unfaithful(loader, epsilon=1e-5, momentum=0.9, name="bn2")(x))
    x = relu(layers.Conv2D(4, 3, padding="same", name="conv3")(x))
    x = layers.AveragePooling2D(2)(x) if pool == "avg" else layers.MaxPooling2D(2)(x)
    x = relu(layers.Dense(6, name="dense1")(layers.Flatten()(x)))
    x = layers.Dropout(0.5)(x) if dropout == "layer" else Dropped()(x) if dropout == "function" else x
    x = relu(layers.Dense(6, name="square")(x))
    x = layers.Dense(5, name="dense2")(x)
    model = keras.Model(images, ended(x, ending))
    if frozen:
        model.get_layer(frozen).trainable = False
    return model
