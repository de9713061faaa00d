"""What the layers of ``torch.nn`` do, in xframe's spelling of attributes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from xframe.frameworks.attributes import (
    RELU,
    SCALARS,
    SPATIAL,
    Attribute,
    Attributes,
    Description,
    attributes_of,
    both_ends,
    one_end,
    per_axis,
)


def layers(model: torch.nn.Module) -> dict[str, str]:
    """``Framework.layers``."""
    return {name: type(module).__name__ for name, module in model.named_modules() if name}


def attributes(model: torch.nn.Module) -> dict[str, Attributes]:
    """``Framework.attributes``."""
    found = ((name, attributes_of(module, DESCRIPTIONS)) for name, module in model.named_modules() if name)
    return {name: held for name, held in found if held is not None}


def _convolution(axes: int) -> dict[str, Attribute]:
    sizes, ends = partial(per_axis, axes=axes), partial(both_ends, axes=axes)
    return {
        "window": Attribute("kernel_size", sizes, tuple),
        "stride": Attribute("stride", sizes, tuple),
        "padding": Attribute("padding", ends, one_end),
        "dilation": Attribute("dilation", sizes, tuple),
        "groups": Attribute("groups"),
        "padding_mode": Attribute("padding_mode"),
    }


def _pool(axes: int) -> dict[str, Attribute]:
    sizes, ends = partial(per_axis, axes=axes), partial(both_ends, axes=axes)
    return {
        "window": Attribute("kernel_size", sizes, tuple),
        "stride": Attribute("stride", sizes, tuple),
        "padding": Attribute("padding", ends, one_end),
        "ceil_mode": Attribute("ceil_mode"),
    }


def _spatial() -> Iterator[tuple[str, Description]]:
    for axes, end in SPATIAL:
        sizes = partial(per_axis, axes=axes)
        yield f"Conv{end}", Description("conv", _convolution(axes), {"activation": "linear"})
        yield f"ConvTranspose{end}", Description("transposed_conv", _convolution(axes), {"activation": "linear"})
        yield f"MaxPool{end}", Description("max_pool", {**_pool(axes), "dilation": Attribute("dilation", sizes, tuple)})
        yield (
            f"AvgPool{end}",
            Description("avg_pool", {**_pool(axes), "counts_padding": Attribute("count_include_pad")}),
        )
        yield f"AdaptiveAvgPool{end}", Description("adaptive_avg_pool", {"size": Attribute("output_size", sizes)})
        yield f"AdaptiveMaxPool{end}", Description("adaptive_max_pool", {"size": Attribute("output_size", sizes)})
        yield f"InstanceNorm{end}", Description("instance_norm", {"epsilon": Attribute("eps")})
        yield f"Dropout{end}", Description("channel_dropout", {"rate": Attribute("p")})


DESCRIPTIONS = {
    **dict(_spatial()),
    **{name: Description(name.lower(), {}) for name in SCALARS},
    "_BatchNorm": Description("batch_norm", {"epsilon": Attribute("eps"), "momentum": Attribute("momentum")}),
    "LayerNorm": Description("layer_norm", {"epsilon": Attribute("eps")}),
    "GroupNorm": Description("group_norm", {"epsilon": Attribute("eps"), "groups": Attribute("num_groups")}),
    "Linear": Description("linear", {}, {"activation": "linear"}),
    "Embedding": Description("embedding", {}),
    "ReLU": Description("relu", {}, RELU),
    "ReLU6": Description("relu", {"maximum": Attribute("max_val")}, {"slope": 0.0}),
    "LeakyReLU": Description("relu", {"slope": Attribute("negative_slope")}, {"maximum": None}),
    "PReLU": Description("prelu", {}),
    "ELU": Description("elu", {"slope": Attribute("alpha")}),
    "GELU": Description("gelu", {"approximation": Attribute("approximate")}),
    "SiLU": Description("silu", {}),
    "Softmax": Description("softmax", {"axis": Attribute("dim")}),
    "LogSoftmax": Description("log_softmax", {"axis": Attribute("dim")}),
    "Dropout": Description("dropout", {"rate": Attribute("p")}, {"mode": "upscale_in_train"}),
    "Flatten": Description("flatten", {}),
    "Identity": Description("identity", {}),
}
