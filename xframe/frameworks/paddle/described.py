"""What the layers of ``paddle.nn`` do, in xframe's spelling of attributes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import paddle

from xframe.frameworks.attributes import (
    RELU,
    SCALARS,
    SPATIAL,
    Attribute,
    Attributes,
    Description,
    attributes_of,
    both_ends,
    complement,
    one_end,
    per_axis,
)


def layers(model: paddle.nn.Layer) -> dict[str, str]:
    """``Framework.layers``."""
    return {name: type(layer).__name__ for name, layer in model.named_sublayers()}


def attributes(model: paddle.nn.Layer) -> dict[str, Attributes]:
    """``Framework.attributes``."""
    found = ((name, attributes_of(layer, DESCRIPTIONS)) for name, layer in model.named_sublayers())
    return {name: held for name, held in found if held is not None}


def _no(value: bool) -> bool:
    return not value


def _approximation(value: bool | str) -> str:
    return {True: "tanh", False: "none"}.get(value, str(value)) if isinstance(value, bool) else value


def _convolution(axes: int) -> dict[str, Attribute]:
    sizes, ends = partial(per_axis, axes=axes), partial(both_ends, axes=axes)
    return {
        "window": Attribute("_kernel_size", sizes),
        "stride": Attribute("_stride", sizes),
        # _padding is what was said, the other two are what is computed with
        "padding": Attribute("_padding", ends, one_end, "_updated_padding", {"_padding_algorithm": "EXPLICIT"}),
        "dilation": Attribute("_dilation", sizes),
        "groups": Attribute("_groups"),
        "padding_mode": Attribute("_padding_mode"),
    }


def _pool(axes: int) -> dict[str, Attribute]:
    sizes, ends = partial(per_axis, axes=axes), partial(both_ends, axes=axes)
    return {
        "window": Attribute("ksize", sizes),
        "stride": Attribute("stride", sizes),
        "padding": Attribute("padding", ends, one_end),
        "ceil_mode": Attribute("ceil_mode"),
    }


def _spatial() -> Iterator[tuple[str, Description]]:
    for axes, end in SPATIAL:
        sizes, capital = partial(per_axis, axes=axes), end.upper()
        yield f"Conv{capital}", Description("conv", _convolution(axes), {"activation": "linear"})
        yield f"Conv{capital}Transpose", Description("transposed_conv", _convolution(axes), {"activation": "linear"})
        yield f"MaxPool{capital}", Description("max_pool", _pool(axes), {"dilation": [1] * axes})
        yield (
            f"AvgPool{capital}",
            Description("avg_pool", {**_pool(axes), "counts_padding": Attribute("exclusive", _no, _no)}),
        )
        yield f"AdaptiveAvgPool{capital}", Description("adaptive_avg_pool", {"size": Attribute("_output_size", sizes)})
        yield f"AdaptiveMaxPool{capital}", Description("adaptive_max_pool", {"size": Attribute("_output_size", sizes)})
        yield f"InstanceNorm{capital}", Description("instance_norm", {"epsilon": Attribute("_epsilon")})
        yield f"Dropout{capital}", Description("channel_dropout", {"rate": Attribute("p")})


_NORM = Description(
    "batch_norm", {"epsilon": Attribute("_epsilon"), "momentum": Attribute("_momentum", complement, complement)}
)
DESCRIPTIONS = {
    **dict(_spatial()),
    **{name: Description(name.lower(), {}) for name in SCALARS},
    **dict.fromkeys(("_BatchNormBase", "BatchNorm"), _NORM),  # the second, of Paddle 1, is none of the first
    "LayerNorm": Description("layer_norm", {"epsilon": Attribute("_epsilon")}),
    "GroupNorm": Description("group_norm", {"epsilon": Attribute("_epsilon"), "groups": Attribute("_num_groups")}),
    "Linear": Description("linear", {}, {"activation": "linear"}),
    "Embedding": Description("embedding", {}),
    "ReLU": Description("relu", {}, RELU),
    "ReLU6": Description("relu", {}, {**RELU, "maximum": 6.0}),
    "LeakyReLU": Description("relu", {"slope": Attribute("_negative_slope")}, {"maximum": None}),
    "PReLU": Description("prelu", {}),
    "ELU": Description("elu", {"slope": Attribute("_alpha")}),
    "GELU": Description("gelu", {"approximation": Attribute("_approximate", _approximation)}),
    "Silu": Description("silu", {}),
    "Swish": Description("silu", {}),
    "Softmax": Description("softmax", {"axis": Attribute("_axis")}),
    "LogSoftmax": Description("log_softmax", {"axis": Attribute("_axis")}),
    "Dropout": Description("dropout", {"rate": Attribute("p"), "mode": Attribute("mode")}),
    "Flatten": Description("flatten", {}),
    "Identity": Description("identity", {}),
}
