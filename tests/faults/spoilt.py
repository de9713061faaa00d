"""Ways to spoil a table or a file: each makes a function that changes a Sheet, or named tensors, in place."""

import numpy as np
from planted import MEAN, NORM, SCALE, SHIFT, VARIANCE, counter, depthwise, native, tensor, weight

ROLES = (SCALE, SHIFT, MEAN, VARIANCE)


def misspell(layer):
    """Another name for a layer in one column."""
    return lambda sheet: sheet.name(layer, f"{layer}_misspelt", sheet.at)


def leave_out(layer):
    """No row for a layer."""
    return lambda sheet: sheet.rows.pop(layer)


def deny_bias(layer):
    """A row that says, of both sides, that there is no bias."""
    return lambda sheet: sheet.rows[layer].update(without=["bias"])


def call_twice(layer, name):
    """One name for two layers."""
    return lambda sheet: sheet.name(layer, name, sheet.at)


def swap_layers(one, other):
    """Two layers mapped crosswise."""

    def spoil(sheet):
        sheet.name(one, other, sheet.at)
        sheet.name(other, one, sheet.at)

    return spoil


def swap_vectors(one, other, layer="bn2"):
    """Two vectors of a batch norm in each other's place, in one column."""
    moved = {one: other, other: one}

    def spoil(sheet):
        vectors = {}
        for role in ROLES:
            held = {end: moved.get(role, role) if end == sheet.spoilt else role for end in sheet.ends}
            vectors[f"vector{role}"] = {
                "draw": "variance",
                **{end: {NORM[end][index]: "c"} for end, index in held.items()},
            }
        sheet.spoil(layer, "batch_norm_swapped", **vectors, steps=counter(*sheet.ends))

    return spoil


def give_axes(right, wrong, *layers, spell=native):
    """Kernels whose axes lie otherwise in one column than the framework has them."""

    def spoil(sheet):
        axes = {end: spell(end, wrong if end == sheet.spoilt else right) for end in sheet.ends}
        kernel = {end: {weight(end): text} for end, text in axes.items()}
        for layer in layers:
            sheet.rows[layer].pop("sizes", None)
            sheet.spoil(layer, "own", weight={"draw": "kernel", **kernel}, bias={end: {"bias": "c"} for end in axes})

    return spoil


def give_depthwise_axes(right, wrong, layer):
    """The same for a kernel of each channel by itself."""
    return give_axes(right, wrong, layer, spell=depthwise)


def stand_bias_up(layer):
    """A bias of out × 1 in one column."""

    def spoil(sheet):
        kernel = {end: {weight(end): native(end, "o i h w")} for end in sheet.ends}
        bias = {end: {"bias": "c 1" if end == sheet.spoilt else "c"} for end in sheet.ends}
        sheet.spoil(layer, "own", weight={"draw": "kernel", **kernel}, bias=bias)

    return spoil


def call_kind(layer, kind):
    """Another kind for a layer."""

    def spoil(sheet):
        sheet.rows[layer] = {"kind": kind}

    return spoil


def size(layer, **sizes):
    """Sizes that a row states."""
    return lambda sheet: sheet.rows[layer].update(sizes=sizes)


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def number(_framework, tensors):
    """No names but numbers."""
    values = list(tensors.values())
    tensors.clear()
    tensors.update({str(index): value for index, value in enumerate(values)})


def reshape(layer, *shape):
    """A kernel in a shape of as many values."""

    def change(framework, tensors):
        name = tensor(framework, layer, weight(framework))
        tensors[name] = tensors[name].reshape(shape)

    return change


def put(layer, role, value):
    """One value of a vector."""

    def change(framework, tensors):
        name = tensor(framework, layer, NORM[framework][role] if layer.startswith("bn") else "bias")
        tensors[name].reshape(-1)[1] = value

    return change


def fill(layer, role, value):
    """All values of a vector."""

    def change(framework, tensors):
        tensors[tensor(framework, layer, NORM[framework][role])][...] = value

    return change


def scale(layer, role, factor):
    """A vector, times a factor."""

    def change(framework, tensors):
        tensors[tensor(framework, layer, NORM[framework][role])] *= np.float32(factor)

    return change


def scale_all(factor):
    """The last layer's kernel and bias, times a factor."""

    def change(framework, tensors):
        for name in (weight(framework), "bias"):
            tensors[tensor(framework, "dense2", name)] *= np.float32(factor)

    return change
