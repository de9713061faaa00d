"""A small network in Keras, right unless a knob says otherwise; (N, 16, 16, 1) to (N, 5)."""

from functools import partial

import keras
from keras import layers, ops
from nets.knobs import knobs, slope

POOLS = {
    "max2": [layers.MaxPooling2D, 2],
    "avg2": [layers.AveragePooling2D, 2],
    "max3": [layers.MaxPooling2D, 3, 2, "padded"],
    "max3 behind": [layers.MaxPooling2D, 3, 2, "same"],
    "max3 floor": [layers.MaxPooling2D, 3, 2],
    "max3 ceil": [layers.MaxPooling2D, 3, 2, "same"],  # as a window that hangs over, for maps of even sides
    "avg3": [layers.AveragePooling2D, 3, 1, "same"],
    "avg3 counted": [layers.AveragePooling2D, 3, 1, "padded"],
}


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


class Disturbed(layers.Layer):
    """A dropout that is always active, or noise."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def call(self, x):
        noise = keras.random.uniform(ops.shape(x), dtype=x.dtype)
        return x * 2 * ops.cast(noise > 0.5, x.dtype) if self.kind == "dropout" else x + noise


def activation(name, modules):
    if name.startswith("leaky"):
        return layers.LeakyReLU(slope(name)) if modules else partial(ops.leaky_relu, negative_slope=slope(name))
    found = {
        "relu": (layers.ReLU, ops.relu),
        "relu6": (partial(layers.ReLU, max_value=6), ops.relu6),
        "silu": (partial(layers.Activation, "silu"), ops.silu),
        "gelu": (partial(layers.Activation, "gelu"), partial(ops.gelu, approximate=False)),
        "gelu tanh": (
            partial(layers.Activation, partial(keras.activations.gelu, approximate=True)),
            partial(ops.gelu, approximate=True),
        ),
    }
    layer, function = found[name]
    return layer(name="act1") if modules else function


def pooled(x, name):
    if not name:
        return x
    layer, window, *more = POOLS[name]
    stride, padding = [*more, window, "valid"][:2] if len(more) != 1 else [*more, "valid"]
    x = layers.ZeroPadding2D(1)(x) if padding == "padded" else x
    return layer(window, stride, "same" if padding == "same" else "valid", name="middle")(x)


def begun(images, k):
    padding = {"behind": ((0, 1), (0, 1))}.get(k.padding, 1)
    x = images if k.padding == "same" else layers.ZeroPadding2D(padding, name="padding")(images)
    x = layers.Conv2D(4, 3, 2, "same" if k.padding == "same" else "valid", use_bias=k.bias, name="conv1")(x)
    x = layers.BatchNormalization(epsilon=k.epsilon, name="bn1")(x, training=k.training != "never")
    act1 = activation(k.activation, k.modules)
    for _ in range(k.relus):
        x = act1(x)
    return x


def widened(x, k):
    frozen = {"trainable": not k.frozen}
    y = x if k.stride == 1 else layers.ZeroPadding2D(1)(x)
    y = layers.Conv2D(
        4, 3, k.stride, "same" if k.stride == 1 else "valid", dilation_rate=k.dilation, name="conv2", **frozen
    )(y)
    y = Unfaithful(k.loader, epsilon=1e-5, name="bn2")(y)
    return pooled(ops.relu(y + x if k.residual else y), k.middle)


def mixed(x, mixing):
    if mixing == "depthwise":
        return layers.DepthwiseConv2D(3, padding="same", name="conv3")(x)
    return layers.Conv2D(4, 3, padding="same", groups=2 if mixing == "groups" else 1, name="conv3")(x)


def flat(x, k):
    if k.head == "global":
        return layers.GlobalAveragePooling2D()(x)
    x = layers.AveragePooling2D(2)(x) if k.pool == "avg" else layers.MaxPooling2D(2, name="pool")(x)
    return layers.Flatten()(ops.transpose(x, (0, 3, 1, 2)) if k.flatten == "other" else x)


def squared(x, k):
    square = layers.Dense(6, name="square")
    for _ in range(k.calls):
        x = ops.relu(square(x))
    if k.spare:  # a functional model has no layer that leads nowhere
        x = x + 0 * layers.Dense(6, name="spare")(x)
    x = Disturbed(k.random)(x) if k.random else x
    return layers.BatchNormalization(epsilon=1e-5, name="bn3")(x) if k.norm else x


def ended(x, ending):
    endings = {
        "probabilities": lambda: ops.softmax(x), "column": lambda: x[:, :, None], "pair": lambda: [x, x],
        "above": lambda: x + 1, "reversed": lambda: ops.flip(x, 1), "logits": lambda: x,
    }  # fmt: skip
    return endings[ending]()


def small(base="", **changed):
    k = knobs(base, changed)
    if k.flags:
        keras.config.set_dtype_policy("mixed_bfloat16")
    images = keras.Input((16, 16, 1), dtype=keras.config.dtype_policy().compute_dtype)
    x = ops.relu(mixed(widened(begun(images, k), k), k.mixing))
    x = ops.relu(layers.Dense(6, name="dense1")(flat(x, k)))
    dense2 = layers.Dense(5, name="dense2")
    x = dense2(squared(x, k))
    dense2.units = k.declared or 5
    return keras.Model(images, ended(x, k.ending))
