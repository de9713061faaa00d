"""Keras networks with one layer spoilt: the functional model is cloned, one of its layers or calls otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import keras
from keras import layers

from judge.nets.sites import Site, plant, shifted
from xframe.frameworks.factories import resolve

_OTHER = {
    layers.MaxPooling2D: layers.AveragePooling2D,
    layers.AveragePooling2D: layers.MaxPooling2D,
    layers.GlobalAveragePooling2D: layers.GlobalMaxPooling2D,
    layers.AdaptiveAveragePooling2D: layers.AdaptiveMaxPooling2D,
}
_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D)


def spoilt(of: str, kind: str, seed: int, turn: int, note: str, **options: Any) -> keras.Model:
    """The network ``of`` builds with ``options``, a fault of ``kind`` planted at the site of that turn."""
    return plant(SITES[kind](resolve(of)(**options)), seed, turn, note)


def _cloned(
    network: keras.Model, name: str, *, kind: Any = None, call: Callable[..., Any] | None = None, **config: Any
) -> keras.Model:
    """The network with the layer ``name`` of another class, of other settings, or called otherwise."""

    def cloned(layer: Any) -> Any:
        own = layer.get_config()
        if layer.name != name:
            return type(layer).from_config(own)
        return (kind or type(layer)).from_config({**own, **config})

    def called(layer: Any, *args: Any, **options: Any) -> Any:
        return call(layer, *args) if call is not None and layer.name == name else layer(*args, **options)

    return keras.models.clone_model(network, clone_function=cloned, call_function=called)


def epsilons(network: keras.Model, factor: float, more: float) -> Iterator[Site]:
    """Batch norms with another epsilon."""
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            epsilon = layer.epsilon * factor + more
            said = f"{layer.name}: epsilon {epsilon:.7g}"
            yield Site(layer.name, said, partial(_cloned, network, layer.name, epsilon=epsilon))


def relus(network: keras.Model) -> Iterator[Site]:
    """Relus left out."""
    for layer in network.layers:
        if isinstance(layer, layers.ReLU):
            skipped = partial(_cloned, network, layer.name, call=lambda _layer, x: x)
            yield Site("", f"the relu {layer.name} left out", skipped)


def paddings(network: keras.Model) -> Iterator[Site]:
    """Convolutions whose padding is moved by one to one side: a padding before them, and none within."""
    for layer in network.layers:
        for towards in (1, -1):
            if isinstance(layer, layers.ZeroPadding2D) and isinstance(reader := _reader(layer), _CONVOLUTIONS):
                ends = [shifted(before, towards) for before, _ in layer.padding]
                yield Site(reader.name, _said(reader, ends), partial(_cloned, network, layer.name, padding=ends))
            elif isinstance(layer, _CONVOLUTIONS) and layer.padding == "same" and max(layer.kernel_size) > 1:
                ends = [shifted(length // 2, towards) for length in layer.kernel_size]
                padded = partial(_padded, ends)
                yield Site(
                    layer.name,
                    _said(layer, ends),
                    partial(_cloned, network, layer.name, padding="valid", call=padded),
                )


def _said(layer: Any, ends: list[tuple[int, int]]) -> str:
    return f"{layer.name}: padded by {ends[0][0]} before and {ends[0][1]} after"


def _reader(layer: Any) -> Any:
    """What reads a layer's output; the first of several."""
    return next((node.operation for node in layer._outbound_nodes), None)  # noqa: SLF001 - no public name


def _padded(ends: list[tuple[int, int]], layer: Any, x: Any) -> Any:
    return layer(layers.ZeroPadding2D(tuple(ends))(x))


def pools(network: keras.Model) -> Iterator[Site]:
    """Pools that take maxima instead of means or the other way round, and such that pad their last windows."""
    for layer in network.layers:
        other = _OTHER.get(type(layer))
        if other is not None:
            said = f"{layer.name}: {other.__name__}"
            yield Site(layer.name, said, partial(_cloned, network, layer.name, kind=other))
        if getattr(layer, "padding", "") == "valid" and isinstance(
            layer, layers.MaxPooling2D | layers.AveragePooling2D
        ):
            yield Site(
                layer.name, f'{layer.name}: padding "same"', partial(_cloned, network, layer.name, padding="same")
            )


SITES = {
    "epsilon, by 1e-6": partial(epsilons, factor=1.0, more=1e-6),
    "epsilon, by a thousandth": partial(epsilons, factor=1.001, more=0.0),
    "relu left out": relus,
    "padding shifted": paddings,
    "other pool": pools,
}
