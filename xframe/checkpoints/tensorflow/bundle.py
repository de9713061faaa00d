"""TensorFlow's checkpoints, read: tensor bundles of ``tf.train.Checkpoint``, ``tf.train.Saver`` and SavedModels.

``NAME.index`` is a sorted table with a record for every tensor, whose bytes lie in ``NAME.data-00000-of-00001`` as they
are: tensorflow/core/util/tensor_bundle. Nothing of a SavedModel but its variables is opened; its graph stays shut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Glance, StoredTensor
from xframe.checkpoints.protobuf import Span
from xframe.checkpoints.refusals import refusal, shown
from xframe.checkpoints.shapes import dense_bytes
from xframe.checkpoints.tensorflow import objects, table
from xframe.checkpoints.tensorflow.crc32c import crc32c, masked
from xframe.checkpoints.tensorflow.entries import DTYPES, NO_TENSORS, STRING, Entry, entry, shard_count
from xframe.checkpoints.tensorflow.objects import ObjectGraph
from xframe.checkpoints.tensorflow.places import INDEX, data_file
from xframe.checkpoints.tensorflow.slices import joined
from xframe.tensors import Extent, TensorSpec

_MOST_NAMED = 8


class TensorBundle:
    """The format of a NAME.index with its data files beside it."""

    name = "tensorflow"
    extensions: tuple[str, ...] = (INDEX,)

    def matches(self, glance: Glance) -> bool:
        """A table's magic in the last eight bytes."""
        return glance.tail.endswith(table.MAGIC)

    def read(self, path: Path, budget: Budget) -> Checkpoint:
        """Names, shapes and places of all tensors but an optimizer's; each one's CRC-32C is checked when it is used."""
        budget.check(path, path.stat().st_size)
        files, found, parts = _records(path)
        files.check_apart([*found.values(), *parts.values()])
        tensors, notes, metadata = _tensors(found, parts, files, budget), list[str](), dict[str, str]()
        if objects.GRAPH in found:
            graph = objects.parsed(files.text(found[objects.GRAPH], budget))
            tensors, notes, metadata = _named(tensors, graph, found)
        notes += _left_out_note({name: held.dtype for name, held in found.items() if held.dtype in NO_TENSORS})
        return Checkpoint(path=path, format=self.name, tensors=tensors, notes=tuple(notes), metadata=metadata)


@dataclass(slots=True)
class _Files:
    """The data files, each looked at once, when the first record names it."""

    index: Path
    count: int
    sizes: dict[int, tuple[Path, int]] = field(default_factory=dict)

    def place(self, name: str) -> str:
        return f"{self.index}: {shown(name)}"

    def path(self, held: Entry) -> Path:
        """The file that a record's bytes lie in. Raises CheckpointError where they do not fit into it."""
        if held.shard >= self.count:
            raise refusal(self.place(held.name), expected=f"one of {self.count} files", found=f"number {held.shard}")
        if held.shard not in self.sizes:
            self.sizes[held.shard] = data_file(self.index, held.shard, self.count)
        path, size = self.sizes[held.shard]
        if held.offset + held.size > size:
            found = f"{held.size} bytes from {held.offset} on"
            raise refusal(self.place(held.name), expected=f"bytes within {path.name}, {size} long", found=found)
        return path

    def check_apart(self, records: Iterable[Entry]) -> None:
        """Raises CheckpointError for bytes that two records claim."""
        ends: dict[int, int] = {}
        for held in sorted(records, key=lambda held: (held.shard, held.offset, held.size)):
            if held.size and held.offset < ends.get(held.shard, 0):
                raise refusal(self.place(held.name), expected="bytes of its own", found="those of another tensor")
            ends[held.shard] = held.offset + held.size

    def text(self, held: Entry, budget: Budget) -> Span:
        """The text that a record of one text holds."""
        place = self.place(held.name)
        budget.check(place, held.size)
        path = self.path(held)
        if held.dtype != STRING or held.shape or held.slices:
            raise refusal(place, expected="one text", found="another tensor")
        with path.open("rb") as file:
            file.seek(held.offset)
            data = file.read(held.size)
        if len(data) != held.size:
            raise refusal(place, expected="a file at rest", found="one that changes as it is read")
        return objects.text_of(data, held.crc, place)


def _records(path: Path) -> tuple[_Files, dict[str, Entry], dict[bytes, Entry]]:
    """The tensors' records by name, those of slices by their keys."""
    entries = table.entries(memoryview(path.read_bytes()), str(path))
    key, header = next(entries, (b"", None))
    if key or header is None:
        raise refusal(path, expected="a bundle's header", found="none")
    found: dict[str, Entry] = {}
    parts: dict[bytes, Entry] = {}
    for key, value in entries:
        if key.startswith(b"\x00"):
            parts[key] = entry("a slice", value)
        else:
            name = _name(key, path)
            found[name] = entry(name, value)
    return _Files(path, shard_count(header)), found, parts


def _name(key: bytes, path: Path) -> str:
    try:
        return key.decode("utf-8")
    except UnicodeDecodeError:
        raise refusal(path, expected="names in UTF-8", found=shown(key)) from None


def _tensors(
    found: Mapping[str, Entry], parts: Mapping[bytes, Entry], files: _Files, budget: Budget
) -> dict[str, StoredTensor]:
    slices = {key: _stored(held, files) for key, held in parts.items()}
    tensors: dict[str, StoredTensor] = {}
    claimed: set[bytes] = set()
    for name, held in found.items():
        if held.dtype in NO_TENSORS:
            continue
        if not held.slices:
            tensors[name] = _stored(held, files)
            continue
        spec, place = TensorSpec(name, held.shape, _dtype(held, files)), files.place(name)
        tensors[name], keys = joined(spec, held, slices, budget, place)
        claimed |= keys
    if len(claimed) != len(slices):
        raise refusal(files.index, expected="slices of tensors", found="slices that no tensor has")
    return tensors


def _dtype(held: Entry, files: _Files) -> str:
    if held.dtype not in DTYPES:
        raise refusal(files.place(held.name), expected="numbers", found=f"TensorFlow's dtype {held.dtype}")
    return DTYPES[held.dtype]


def _stored(held: Entry, files: _Files) -> StoredTensor:
    place, dtype = files.place(held.name), _dtype(held, files)
    if held.size != dense_bytes(held.shape, dtype) or held.slices:
        found = f"{held.size} for {dtype}{list(held.shape)}" if not held.slices else "slices within a slice"
        raise refusal(place, expected=f"{dense_bytes(held.shape, dtype)} bytes", found=found)
    path = files.path(held)
    return StoredTensor(
        spec=TensorSpec(held.name, held.shape, dtype),
        extent=Extent.dense(path, held.offset, held.shape, dtype),
        check=_Check(Extent.dense(path, held.offset, (held.size,), "uint8"), held.crc, place),
    )


@dataclass(slots=True)
class _Check:
    """A tensor's CRC-32C, computed once."""

    extent: Extent
    wanted: int
    place: str
    holds: bool = False

    def __call__(self) -> None:
        if self.holds:
            return
        try:
            self.holds = masked(crc32c(self.extent.map())) == self.wanted
        except (OSError, ValueError) as error:
            raise refusal(self.place, expected="the data file as it was", found=shown(error)) from None
        if not self.holds:
            raise refusal(self.place, expected=f"bytes with the CRC-32C {self.wanted:08x}", found="other bytes")


def _named(
    tensors: Mapping[str, StoredTensor], graph: ObjectGraph, found: Mapping[str, Entry]
) -> tuple[dict[str, StoredTensor], list[str], dict[str, str]]:
    """The weights under the names that users know, notes on what was left out, and the counter of saves."""
    counter = tensors.get(objects.COUNTER)
    metadata = {"save_counter": str(counter.array())} if counter and counter.spec.shape == () else {}
    order = {key: index for index, key in enumerate(graph.names)}
    held = sorted(tensors, key=lambda key: order.get(key, len(order)))
    if metadata:
        held.remove(objects.COUNTER)
    once = _once(held, graph, found)
    # A key that no object claims is a weight too; where there is nothing but an optimizer, it is what was asked for.
    kept = [key for key in once if key in graph.weights or key not in graph.names] or once
    labels = objects.labels(kept, graph)
    notes = [_naming_note(labels)] if labels else []
    if len(kept) < len(once):
        notes.append(f"left out: {len(once) - len(kept)} variables of the optimizer")
    if len(once) < len(held):
        notes.append(f"left out: {len(held) - len(once)} variables that Keras' export stored twice")
    return {labels[key]: tensors[key].renamed(labels[key]) for key in kept}, notes, metadata


def _once(keys: list[str], graph: ObjectGraph, found: Mapping[str, Entry]) -> list[str]:
    """Without what is stored a second time: under the same name, of the same shape, dtype and checksum."""

    def identity(key: str) -> tuple[object, ...]:
        return graph.names.get(key, ""), found[key].dtype, found[key].shape, found[key].crc

    first = {identity(key) for key in keys if key not in graph.repeated}
    return [key for key in keys if key not in graph.repeated or identity(key) not in first]


def _naming_note(labels: Mapping[str, str]) -> str:
    own = {key: label for key, label in labels.items() if label != key.removesuffix(objects.SUFFIX)}
    if not own:
        return "named by their paths among the objects that were saved"
    key, label = next(iter(own.items()))
    whose = "the variables' own names" if len(own) == len(labels) else f"{len(own)} variables' own names, else paths"
    return f"{whose}; by its path {shown(label)} is {shown(key.removesuffix(objects.SUFFIX))}"


def _left_out_note(left_out: Mapping[str, int]) -> list[str]:
    named = [f"{shown(name)} ({NO_TENSORS[kind]})" for name, kind in left_out.items() if name != objects.GRAPH]
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return [f"left out, not tensors: {', '.join(named[:_MOST_NAMED])}{more}"] if named else []
