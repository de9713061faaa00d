"""Paddle networks with one layer spoilt: attributes are edited, sublayers replaced."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import paddle
from paddle import nn

from judge.nets.sites import Site, plant, shifted
from xframe.frameworks.factories import resolve


def spoilt(of: str, kind: str, seed: int, turn: int, note: str, *, shape: str, **options: Any) -> nn.Layer:
    """The network ``of`` builds with ``options``, a fault of ``kind`` planted at the site of that turn.

    ``shape`` is that of an image, "3x64x64": calls are counted on one.
    """
    network = resolve(of)(**options)
    network.eval()
    image = paddle.zeros([1, *map(int, shape.split("x"))])
    plant(SITES[kind](network, image), seed, turn, note)
    return network


class SkippedOnce(nn.Layer):
    """A layer of which one call in each pass of the network gives what it reads."""

    def __init__(self, layer: nn.Layer, network: nn.Layer, skipped: int) -> None:
        super().__init__()
        self.layer, self.skipped, self.calls = layer, skipped, 0
        network.register_forward_pre_hook(self.begin)

    def begin(self, _network: nn.Layer, _read: Any) -> None:
        self.calls = 0

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        self.calls += 1
        return x if self.calls == self.skipped + 1 else self.layer(x)


def _put(network: nn.Layer, name: str, layer: nn.Layer) -> None:
    """Another layer in the place of a sublayer."""
    parents = {"": network, **dict(network.named_sublayers())}
    above, _, last = name.rpartition(".")
    parents[above].add_sublayer(last, layer)


def _calls(network: nn.Layer, image: paddle.Tensor, *kinds: type) -> list[str]:
    """The sublayers of these classes, once for each call, in their order."""
    called: list[str] = []

    def count(name: str) -> Any:
        return lambda _layer, _read, _gave: called.append(name)

    wanted = [(name, layer) for name, layer in network.named_sublayers() if isinstance(layer, kinds)]
    hooks = [layer.register_forward_post_hook(count(name)) for name, layer in wanted]
    with paddle.no_grad():
        network(image)
    for hook in hooks:
        hook.remove()
    return called


def epsilons(network: nn.Layer, image: paddle.Tensor, factor: float, more: float) -> Iterator[Site]:
    """Batch norms with another epsilon."""
    layers = dict(network.named_sublayers())
    for name in _calls(network, image, nn.BatchNorm2D, nn.BatchNorm):
        epsilon = layers[name]._epsilon * factor + more  # noqa: SLF001 - where Paddle keeps it
        yield Site(name, f"{name}: epsilon {epsilon:.7g}", partial(setattr, layers[name], "_epsilon", epsilon))


def relus(network: nn.Layer, image: paddle.Tensor) -> Iterator[Site]:
    """Calls of relus left out, and relus that a batch norm appends."""
    layers, turns = dict(network.named_sublayers()), {}
    for name in _calls(network, image, nn.ReLU, nn.ReLU6):
        turn = turns[name] = turns.get(name, -1) + 1
        skipped = SkippedOnce(layers[name], network, turn)
        yield Site("", f"call {turn + 1} of {name} left out", partial(_put, network, name, skipped))
    for name in _calls(network, image, nn.BatchNorm):
        if layers[name]._act == "relu":  # noqa: SLF001
            yield Site("", f"the relu that {name} appends left out", partial(setattr, layers[name], "_act", None))


def paddings(network: nn.Layer, image: paddle.Tensor) -> Iterator[Site]:
    """Convolutions whose padding is moved by one to one side."""
    layers = dict(network.named_sublayers())
    for name in _calls(network, image, nn.Conv2D):
        held = layers[name]._updated_padding  # noqa: SLF001
        if len(held) == 2 and min(held) > 0:
            for towards in (1, -1):
                rows, columns = (shifted(padding, towards) for padding in held)
                said = f"{name}: padded by {rows[0]} before and {rows[1]} after"
                yield Site(name, said, partial(_pad, layers[name], [*rows, *columns]))


def _pad(convolution: Any, ends: list[int]) -> None:
    convolution._padding = convolution._updated_padding = ends  # noqa: SLF001
    convolution._padding_algorithm = "EXPLICIT"  # noqa: SLF001


def pools(network: nn.Layer, image: paddle.Tensor) -> Iterator[Site]:
    """Pools that take maxima instead of means or the other way round, and such that round their size up."""
    layers = dict(network.named_sublayers())
    for name in dict.fromkeys(_calls(network, image, nn.MaxPool2D, nn.AvgPool2D, nn.AdaptiveAvgPool2D)):
        layer: Any = layers[name]
        if isinstance(layer, nn.AdaptiveAvgPool2D):
            found = {"AdaptiveMaxPool2D": nn.AdaptiveMaxPool2D(layer._output_size)}  # noqa: SLF001
        else:
            own, other = type(layer), nn.AvgPool2D if isinstance(layer, nn.MaxPool2D) else nn.MaxPool2D
            sizes = {"kernel_size": layer.ksize, "stride": layer.stride, "padding": layer.padding}
            up = layer.ceil_mode
            found = {
                other.__name__: other(**sizes, ceil_mode=up),
                "ceil_mode turned over": own(**sizes, ceil_mode=not up),
            }
        for said, replaced in found.items():
            yield Site(name, f"{name}: {said}", partial(_put, network, name, replaced))


SITES = {
    "epsilon, by 1e-6": partial(epsilons, factor=1.0, more=1e-6),
    "epsilon, by a thousandth": partial(epsilons, factor=1.001, more=0.0),
    "relu left out": relus,
    "padding shifted": paddings,
    "other pool": pools,
}
