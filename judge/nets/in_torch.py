"""PyTorch networks with one layer spoilt: the graph of calls is traced, edited and compiled again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from judge.nets.sites import Site, plant, shifted
from xframe.frameworks.factories import resolve

_OTHER = {nn.MaxPool2d: nn.AvgPool2d, nn.AvgPool2d: nn.MaxPool2d, nn.AdaptiveAvgPool2d: nn.AdaptiveMaxPool2d}


def spoilt(of: str, kind: str, seed: int, turn: int, note: str, **options: Any) -> nn.Module:
    """The network ``of`` builds with ``options``, a fault of ``kind`` planted at the site of that turn."""
    network = fx.symbolic_trace(resolve(of)(**options).eval())
    plant(SITES[kind](network), seed, turn, note)
    network.graph.lint()
    network.recompile()
    return network


def _called(network: fx.GraphModule) -> Iterator[tuple[fx.Node, str, nn.Module]]:
    """Every call of a module, in order."""
    for node in list(network.graph.nodes):
        if node.op == "call_module":
            yield node, str(node.target), network.get_submodule(str(node.target))


def epsilons(network: fx.GraphModule, factor: float, more: float) -> Iterator[Site]:
    """Batch norms with another epsilon."""
    for _, name, module in _called(network):
        if isinstance(module, nn.BatchNorm2d):
            epsilon = module.eps * factor + more
            yield Site(name, f"{name}: epsilon {epsilon:.7g}", partial(setattr, module, "eps", epsilon))


def relus(network: fx.GraphModule) -> Iterator[Site]:
    """Calls of relus, whether of modules or of functions, left out."""
    for node in list(network.graph.nodes):
        module = network.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, nn.ReLU | nn.ReLU6) or node.target in (torch.relu, functional.relu):
            yield Site("", f"the relu behind {node.args[0].target} left out", partial(_leave_out, network, node))


def _leave_out(network: fx.GraphModule, node: fx.Node) -> None:
    node.replace_all_uses_with(node.args[0])
    network.graph.erase_node(node)


def paddings(network: fx.GraphModule) -> Iterator[Site]:
    """Convolutions whose padding is moved by one to one side: a padding before them, and none within."""
    for node, name, module in _called(network):
        if isinstance(module, nn.Conv2d) and module.padding[0] > 0:
            for towards in (1, -1):
                rows, columns = (shifted(padding, towards) for padding in module.padding)
                said = f"{name}: padded by {rows[0]} before and {rows[1]} after"
                yield Site(name, said, partial(_pad, network, node, module, [*columns, *rows]))


def _pad(network: fx.GraphModule, node: fx.Node, convolution: nn.Conv2d, ends: list[int]) -> None:
    with network.graph.inserting_before(node):
        padded = network.graph.call_function(functional.pad, (node.args[0], ends))
    node.args = (padded, *node.args[1:])
    convolution.padding = (0, 0)


def pools(network: fx.GraphModule) -> Iterator[Site]:
    """Pools that take maxima instead of means or the other way round, and such that round their size up."""
    for name, module in {name: module for _, name, module in _called(network)}.items():
        other = _OTHER.get(type(module))
        if other is None:
            continue
        adaptive = isinstance(module, nn.AdaptiveAvgPool2d)
        sizes = {"output_size": module.output_size} if adaptive else _window(module)
        yield Site(name, f"{name}: {other.__name__}", partial(network.set_submodule, name, other(**sizes)))
        if not adaptive:
            ceiling = type(module)(**{**sizes, "ceil_mode": not module.ceil_mode})
            yield Site(name, f"{name}: ceil_mode turned over", partial(network.set_submodule, name, ceiling))


def _window(module: Any) -> dict[str, Any]:
    return {key: getattr(module, key) for key in ("kernel_size", "stride", "padding", "ceil_mode")}


SITES = {
    "epsilon, by 1e-6": partial(epsilons, factor=1.0, more=1e-6),
    "epsilon, by a thousandth": partial(epsilons, factor=1.001, more=0.0),
    "relu left out": relus,
    "padding shifted": paddings,
    "other pool": pools,
}
