"""Every ordered pair of implementations computes the same, and the way back is exact to the bit."""

from itertools import permutations

import pytest

import xframe
from xframe.mapping import load_table
from xframe.workflows.port import PortOptions
from xframe.workflows.port import port as carry_out

TABLES = ("lenet5_maxavg", "resnet18")
STAYS = ("paddle", "paddle/custom")  # of the custom resnet18, this pair is in the fast slice
NEUTRAL = (".safetensors", ".npz")


def journeys(model, ending):
    """The pairs whose file has ``ending``: the target's own, "", and the neutral ones by turns."""
    for number, (source, target) in enumerate(permutations(load_table(model).implementations, 2)):
        slow = model == "resnet18" and "paddle/custom" in (source, target) and (source, target) != STAYS
        if ("", NEUTRAL[0], "", NEUTRAL[1])[number % 4] == ending:
            yield pytest.param(source, target, marks=[pytest.mark.slow] if slow else [])


def there_and_back(model, ending=""):
    """From a file of the source's own format to the target and back, both ends proven and compared layer by layer."""
    return xframe.equivalence(model, pairs=[*journeys(model, ending)], format=ending, round_trip=True)


test_lenet5 = there_and_back("lenet5_maxavg")
test_lenet5_safetensors = there_and_back("lenet5_maxavg", ".safetensors")
test_lenet5_npz = there_and_back("lenet5_maxavg", ".npz")
test_resnet18 = there_and_back("resnet18")
test_resnet18_safetensors = there_and_back("resnet18", ".safetensors")
test_resnet18_npz = there_and_back("resnet18", ".npz")


@pytest.mark.parametrize("model", TABLES)
def test_no_pair_is_left_out(model):
    taken = [pair.values for ending in ("", *NEUTRAL) for pair in journeys(model, ending)]
    assert sorted(taken) == sorted(permutations(load_table(model).implementations, 2))


@pytest.mark.parametrize("model", TABLES)
def test_no_tensor_could_be_mistaken_for_another(pool, digests, tmp_path, model):
    """Else a way there and back that exchanges two of them would be exact to the bit. Fills are constant."""
    for number, column in enumerate(load_table(model).implementations):
        out = tmp_path / f"{number}.npz"
        carry_out(model, column, column, PortOptions(out=out, verify=False), pool=pool)
        drawn = [found for name, found in digests(out).items() if "num_batches_tracked" not in name]
        assert len(set(drawn)) == len(drawn)
