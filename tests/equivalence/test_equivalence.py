"""Every ordered pair of implementations computes the same, and the way back is exact to the bit."""

from itertools import permutations

import pytest

from xframe.mapping import load_table
from xframe.workflows.port import PortOptions
from xframe.workflows.port import port as carry_out

TABLES = ("lenet5_maxavg", "resnet18")
STAYS = ("paddle", "paddle/custom")  # of the custom resnet18, this pair is in the fast slice
NEUTRAL = (".safetensors", ".npz")


def journeys():
    """Table, source, target and the ending of the target's file: native ones and neutral ones by turns."""
    for model in TABLES:
        columns = load_table(model).implementations
        for number, (source, target) in enumerate(permutations(columns, 2)):
            native = columns[target].framework.extensions
            endings = (native[0], NEUTRAL[0], native[-1], NEUTRAL[1])
            slow = model == "resnet18" and "paddle/custom" in (source, target) and (source, target) != STAYS
            marks = [pytest.mark.slow] if slow else []
            ident = f"{model}-{source}-{target}"
            yield pytest.param(model, source, target, endings[number % 4], id=ident, marks=marks)


@pytest.fixture(scope="module")
def start(pool, tmp_path_factory):
    """Random weights of an implementation as its own framework's file, made once."""
    made = {}

    def file(model, source):
        if (model, source) not in made:
            out = tmp_path_factory.mktemp("start") / f"first{native_ending(model, source)}"
            carry_out(model, source, source, PortOptions(out=out, verify=False), pool=pool)
            made[model, source] = out
        return made[model, source]

    return file


def native_ending(model, implementation):
    return load_table(model).implementation(implementation).framework.extensions[0]


@pytest.mark.parametrize(("model", "source", "target", "ending"), list(journeys()))
def test_there_and_back(port, digests, start, tmp_path, model, source, target, ending):
    first, second = start(model, source), tmp_path / f"second{ending}"
    there = port(model, source, target, weights=first, out=second)
    assert there.verdict == "equivalent"
    assert there.proof.float64.max_rel <= 1e-9
    assert there.proof.divergence is None
    back = port(model, target, source, weights=second, out=tmp_path / f"third{first.name[5:]}", verify=False)
    assert digests(back.out) == digests(first)
    assert each_is_different(digests(first))


def each_is_different(tensors):
    """Whether no two tensors of weights could be mistaken for each other; fills are constant and may be alike."""
    drawn = [found for name, found in tensors.items() if "num_batches_tracked" not in name]
    return len(set(drawn)) == len(drawn)
