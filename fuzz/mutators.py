"""Mutations that leave a file's frame whole, so that what lies behind a checksum or a length is reached."""

from __future__ import annotations

import io
import random
import warnings
import zipfile
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from xframe.checkpoints.tensorflow.crc32c import crc32c, masked

Mutate = Callable[[bytes, int], bytes]  # libFuzzer's own: bytes and the most that it may give back
_RAW = 0.3  # how often the frame itself is mutated


def in_zip(data: bytes, most: int, dice: random.Random, mutate: Mutate) -> bytes:
    """One member's content mutated, CRCs and sizes made right again."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info, archive.read(info)) for info in archive.infolist()]
    except Exception:  # whatever zipfile cannot read is mutated as it is
        return mutate(data, most)
    if not members or dice.random() < _RAW:
        return mutate(data, most)
    chosen = dice.randrange(len(members))
    members[chosen] = members[chosen][0], mutate(members[chosen][1], most)
    changed = _zipped(members)
    return changed if len(changed) <= most else mutate(data, most)


def _zipped(members: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")  # a name that comes twice
        for info, content in members:
            archive.writestr(info.filename, content, compress_type=info.compress_type)
    return buffer.getvalue()


def after_length(data: bytes, most: int, dice: random.Random, mutate: Mutate) -> bytes:
    """The header mutated, and the eight bytes before it made right again, as safetensors has them."""
    length = int.from_bytes(data[:8], "little")
    if length > len(data) - 8 or dice.random() < _RAW:
        return mutate(data, most)
    header = mutate(data[8 : 8 + length], most)
    changed = len(header).to_bytes(8, "little") + header + data[8 + length :]
    return changed if len(changed) <= most else mutate(data, most)


def in_blocks(data: bytes, most: int, dice: random.Random, mutate: Mutate) -> bytes:
    """One block of TensorFlow's table mutated at its length, and its CRC-32C made right again."""
    try:
        starts = _blocks(data)
    except (IndexError, ValueError):
        return mutate(data, most)
    if dice.random() < _RAW:
        return mutate(data, most)
    start, end = dice.choice(list(pairwise(starts)))
    block = mutate(data[start : end - 4], end - 4 - start)
    block += data[start + len(block) : end - 4]
    return data[:start] + block + masked(crc32c(np.frombuffer(block, np.uint8))).to_bytes(4, "little") + data[end:]


def _blocks(data: bytes) -> list[int]:
    """Where data, metaindex and index block start, and the footer. Raises ValueError or IndexError if there is none."""
    footer = len(data) - 48
    numbers, position = [], footer
    for _ in range(3):  # offset and size of the metaindex, offset of the index
        value = shift = 0
        while data[position] & 0x80:
            value |= (data[position] & 0x7F) << shift
            position, shift = position + 1, shift + 7
        numbers.append(value | data[position] << shift)
        position += 1
    starts = [0, numbers[0], numbers[2], footer]
    if any(second - first < 5 for first, second in pairwise(starts)):
        raise ValueError("blocks")
    return starts


MUTATORS = {"bundle": in_blocks, "zip": in_zip, "prefix": after_length}
