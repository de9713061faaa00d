"""What Keras calls the variables of an HDF5 file. Run as a module by ``hdf5_process``, in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from xframe.checkpoints.keras import hdf5
from xframe.checkpoints.keras.hdf5 import Dataset, Window
from xframe.checkpoints.keras.process import serve
from xframe.checkpoints.keras.values import Values
from xframe.checkpoints.model import StoredTensor
from xframe.checkpoints.refusals import refusal, shown

_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
_TOP = "top_level_model_weights"
_OPTIMIZER = "optimizer_weights"
_MOST_CHUNKS = 10_000


def variables(window: Window, values: Values) -> tuple[str, Mapping[str, StoredTensor]]:
    """``legacy`` or ``v3``, and all variables by name; what is compressed is unpacked into ``values``."""
    with hdf5.opened(window) as root:
        legacy = root.get("model_weights", getlink=True) is not None or _has_names(root, "layer_names")
        found = list(_legacy(window, root) if legacy else _variables(window, root))
        tensors = {label: hdf5.stored(window, label, dataset.data, values) for label, dataset in _labelled(found)}
    return "legacy" if legacy else "v3", tensors


def _labelled(found: list[tuple[str, Dataset]]) -> Iterator[tuple[str, Dataset]]:
    """Labels where each is one dataset's alone; where layers share a name, every dataset keeps its path in the file."""
    unique = len({label for label, _ in found}) == len(found)
    for label, dataset in found:
        yield (label if unique else "/".join(dataset.path)), dataset


def _variables(window: Window, root: Any) -> Iterator[tuple[str, Dataset]]:
    names: dict[tuple[str, ...], str] = {}
    for dataset in hdf5.datasets(str(window.path), root):
        yield "/".join((*_label(window, root, dataset.path[:-2], names), *dataset.path[-2:])), dataset


def _label(window: Window, root: Any, path: tuple[str, ...], names: dict[tuple[str, ...], str]) -> tuple[str, ...]:
    """The group path with layers' own names in place of automatic ones, and without the ``layers`` that hold them."""
    label: tuple[str, ...] = ()
    for depth, step in enumerate(path):
        own = _layer_name(window, root, path[: depth + 1], names) if step not in _CONTAINERS else ""
        if own and label[-1:] and label[-1] in _CONTAINERS:
            label = label[:-1]
        label = (*label, own or step)
    return label


def _layer_name(window: Window, root: Any, path: tuple[str, ...], names: dict[tuple[str, ...], str]) -> str:
    if path == ("optimizer",):  # its own name would hide what it is
        return ""
    if path not in names:
        group = root
        for step in path:
            group = hdf5.child(str(window.path), group, step)
        said = hdf5.child(str(window.path), group, "vars").attrs.get("name") if "vars" in group else None
        names[path] = said if isinstance(said, str) else ""
    return names[path]


def _legacy(window: Window, root: Any) -> Iterator[tuple[str, Dataset]]:
    """Variables by the names that are listed beside them, each once, without the ``:0`` of TensorFlow's outputs."""
    place = str(window.path)
    group = hdf5.child(place, root, "model_weights") if "model_weights" in root else root
    layers, seen = _names(place, group, "layer_names"), set[tuple[str, ...]]()
    parents = [(group, layer, "") for layer in ([*layers, _TOP] if _TOP in group else layers)]
    parents += [(root, _OPTIMIZER, "optimizer/")] if _OPTIMIZER in root else []
    for parent, layer, prefix in parents:
        held = hdf5.child(place, parent, layer)
        for weight in _names(place, held, "weight_names"):
            node, path = held, (layer, *weight.split("/"))
            if path in seen or len(seen) > hdf5.MOST_OBJECTS:
                raise refusal(place, expected="every variable listed once", found=f"{shown(weight)} again")
            seen.add(path)
            for step in path[1:]:
                node = hdf5.child(place, node, step)
            yield prefix + weight.removesuffix(":0"), Dataset(path, hdf5.as_dataset(place, node, weight))


def _has_names(group: Any, attribute: str) -> bool:
    return attribute in group.attrs or f"{attribute}0" in group.attrs


def _names(place: str, group: Any, attribute: str) -> list[str]:
    """A list of names, split over ``<attribute>0``, ``<attribute>1`` … where it is longer than HDF5's 64 KiB allow."""
    if attribute in group.attrs:
        return [_text(place, name) for name in group.attrs[attribute]]
    chunks = []
    for index in range(_MOST_CHUNKS):
        if f"{attribute}{index}" not in group.attrs:
            break
        chunks += [_text(place, name) for name in group.attrs[f"{attribute}{index}"]]
    return chunks


def _text(place: str, name: object) -> str:
    if isinstance(name, bytes):
        return name.decode("utf-8")
    if isinstance(name, str):
        return name
    raise refusal(place, expected="names of text", found=shown(type(name).__name__))


if __name__ == "__main__":
    serve(variables, sys.argv[1:])
