"""What the layers of Keras do, in xframe's spelling of attributes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import keras

from xframe.frameworks.attributes import (
    RELU,
    SPATIAL,
    Attribute,
    Attributes,
    Description,
    attributes_of,
    both_ends,
    complement,
    per_axis,
)


def _name(function: Any) -> str:
    """Of an activation: a function, a layer, or either with some of its arguments set."""
    found = getattr(function, "func", function)
    return str(getattr(found, "__name__", type(found).__name__))


def layers_by_name(model: keras.Model) -> dict[str, Any]:
    """Layers of a model and of the models in it, by path; a layer of a functional model has its name for a path."""
    nested = {layer.path or layer.name: layer for layer in model._flatten_layers(include_self=False)}  # noqa: SLF001
    return {**nested, **{layer.name: layer for layer in model.layers}}


def layers(model: keras.Model) -> dict[str, str]:
    """``Framework.layers``."""
    return {name: type(layer).__name__ for name, layer in layers_by_name(model).items()}


def attributes(model: keras.Model) -> dict[str, Attributes]:
    """``Framework.attributes``."""
    found = ((name, attributes_of(layer, DESCRIPTIONS)) for name, layer in layers_by_name(model).items())
    return {name: _spelled_out(held) for name, held in found if held is not None}


def _spelled_out(held: Attributes) -> Attributes:
    """``Activation("relu")`` is what ``ReLU()`` is."""
    function = held.get("function")
    if function is None:
        return held
    return (
        {"kind": "relu", **RELU, "maximum": 6.0 if function == "relu6" else None}
        if function in ("relu", "relu6")
        else {"kind": function}
    )


def _no_padding(value: Any) -> str:
    if any(end for pair in value for end in pair):
        raise ValueError(f"this class pads 'same' or not at all, not by {value}")
    return "valid"


def _windows(axes: int, window: str, dilation: str = "") -> dict[str, Attribute]:
    sizes, ends = partial(per_axis, axes=axes), partial(both_ends, axes=axes)
    return {
        "window": Attribute(window, sizes, tuple),
        "stride": Attribute("strides", sizes, tuple),
        "padding": Attribute("padding", ends, _no_padding),
        **({"dilation": Attribute(dilation, sizes, tuple)} if dilation else {}),
    }


def _spatial() -> Iterator[tuple[str, Description]]:
    zeros = {"padding_mode": "zeros"}
    for axes, end in SPATIAL:
        capital = end.upper()
        sizes, ends = partial(per_axis, axes=axes), partial(both_ends, axes=axes)
        convolution = _windows(axes, "kernel_size", "dilation_rate")
        yield f"Conv{capital}", Description("conv", {**convolution, "groups": Attribute("groups")}, zeros)
        yield f"DepthwiseConv{capital}", Description("conv", convolution, zeros)
        yield f"Conv{capital}Transpose", Description("transposed_conv", convolution, zeros)
        yield (
            f"MaxPooling{capital}",
            Description("max_pool", _windows(axes, "pool_size"), {"ceil_mode": False, "dilation": [1] * axes}),
        )
        yield (
            f"AveragePooling{capital}",
            Description("avg_pool", _windows(axes, "pool_size"), {"ceil_mode": False, "counts_padding": False}),
        )
        yield f"GlobalAveragePooling{capital}", Description("adaptive_avg_pool", {}, {"size": [1] * axes})
        yield f"GlobalMaxPooling{capital}", Description("adaptive_max_pool", {}, {"size": [1] * axes})
        yield (
            f"AdaptiveAveragePooling{capital}",
            Description("adaptive_avg_pool", {"size": Attribute("output_size", sizes)}),
        )
        yield f"ZeroPadding{capital}", Description("zero_padding", {"padding": Attribute("padding", ends)})
        yield f"SpatialDropout{capital}", Description("channel_dropout", {"rate": Attribute("rate")})


DESCRIPTIONS = {
    **dict(_spatial()),
    "BatchNormalization": Description(
        "batch_norm", {"epsilon": Attribute("epsilon"), "momentum": Attribute("momentum", complement, complement)}
    ),
    "LayerNormalization": Description("layer_norm", {"epsilon": Attribute("epsilon")}),
    "GroupNormalization": Description("group_norm", {"epsilon": Attribute("epsilon"), "groups": Attribute("groups")}),
    "Dense": Description("linear", {}),
    "Embedding": Description("embedding", {}),
    "ReLU": Description("relu", {"slope": Attribute("negative_slope"), "maximum": Attribute("max_value")}),
    "LeakyReLU": Description("relu", {"slope": Attribute("negative_slope")}, {"maximum": None}),
    "PReLU": Description("prelu", {}),
    "ELU": Description("elu", {"slope": Attribute("alpha")}),
    "Softmax": Description("softmax", {"axis": Attribute("axis")}),
    "Activation": Description("activation", {"function": Attribute("activation", _name)}),
    "Dropout": Description("dropout", {"rate": Attribute("rate")}, {"mode": "upscale_in_train"}),
    "Flatten": Description("flatten", {}),
    "Identity": Description("identity", {}),
}
