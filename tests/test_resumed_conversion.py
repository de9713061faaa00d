"""A conversion in shards that was interrupted says, when it has gone on, what one that was not says: of all values."""

from dataclasses import replace

import numpy as np
import pytest

from xframe import checkpoints
from xframe.checkpoints import Outgoing, shards
from xframe.workflows.convert import ConvertOptions, convert

MODEL = "lenet5_maxavg"
OPTIONS = ConvertOptions(dtype="float16", shard_size=60_000, digests=True)


@pytest.fixture
def source(tmp_path):
    """Every tensor of it overflows, is rounded, and has a NaN."""
    held = checkpoints.read("fixtures/lenet5_maxavg_digits.pdparams").tensors
    values = {name: tensor.array().copy() for name, tensor in held.items()}
    for array in values.values():
        array.reshape(-1)[:3] = 1e6, 1 + 2**-20, np.nan
    tensors = [Outgoing.whole(held[name].spec, lambda array=array: array) for name, array in values.items()]
    checkpoints.write(tmp_path / "source.npz", None, tensors)
    return tmp_path / "source.npz"


@pytest.fixture
def carry_out(source, tmp_path):
    def run(name, **options):
        out = tmp_path / name
        return convert(MODEL, "paddle", "torch", source, out, options=replace(OPTIONS, **options))

    return run


@pytest.fixture
def broken_off(carry_out, monkeypatch):
    """``OUT`` as a Ctrl-C in a shard leaves it."""

    def run(name, after, **options):
        poured = []

        def pour(*arguments, **more):
            if len(poured) == after:
                raise KeyboardInterrupt
            poured.append(arguments)
            return real(*arguments, **more)

        real = shards.pour
        with monkeypatch.context() as patch:
            patch.setattr(shards, "pour", pour)
            with pytest.raises(KeyboardInterrupt):
                carry_out(name, **options)

    return run


def said(result):
    return result.loss, result.nonfinite, result.digests


def parts(folder, name):
    return sorted(folder.glob(f"{name.removesuffix('.safetensors')}-*"))


@pytest.mark.parametrize("after", [0, 1, 2])
def test_what_passed_before_the_interruption_is_counted_too(carry_out, broken_off, tmp_path, after):
    whole = carry_out("whole.safetensors")
    assert len(parts(tmp_path, "whole.safetensors")) == 3
    assert whole.loss.overflowed == len(whole.nonfinite) == len(whole.digests) == 10
    assert whole.loss.rounded > 10
    broken_off("out.safetensors", after)
    gone_on = carry_out("out.safetensors", resume=True)
    assert gone_on.notes[-1].startswith(f"{after} of 3 shards" if after else "--resume found no whole shard")
    assert said(gone_on) == said(whole)


def test_interrupted_twice(carry_out, broken_off):
    """The second run enters the first one's page, and must not write it into its own."""
    whole = carry_out("whole.safetensors")
    broken_off("out.safetensors", 1)
    broken_off("out.safetensors", 1, resume=True)
    gone_on = carry_out("out.safetensors", resume=True)
    assert gone_on.notes[-1].startswith("2 of 3 shards")
    assert said(gone_on) == said(whole)


def test_a_shard_that_is_written_again_counts_once(carry_out, broken_off, tmp_path):
    whole = carry_out("whole.safetensors")
    broken_off("out.safetensors", 2)
    damaged = parts(tmp_path, "out.safetensors")[0]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0")
    gone_on = carry_out("out.safetensors", resume=True)
    assert sum("written again" in note for note in gone_on.notes) == 1
    assert said(gone_on) == said(whole)


def test_a_finished_conversion_is_not_gone_on_with_and_that_is_said(carry_out):
    whole = carry_out("out.safetensors")
    again = carry_out("out.safetensors", resume=True)
    assert [note for note in again.notes if note not in whole.notes] == [
        "--resume found no whole shard of an interrupted writing like this one: all were written"
    ]
    assert said(again) == said(whole)
