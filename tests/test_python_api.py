"""``import xframe``: the verbs as functions, their results as frozen values that print well."""

import dataclasses

import numpy as np
import pytest

import xframe


@pytest.fixture(scope="module")
def ported(pool, tmp_path_factory):
    out = tmp_path_factory.mktemp("api") / "lenet.pth"
    return xframe.port("lenet5_maxavg", "paddle", "torch", xframe.PortOptions(out=out), pool=pool)


@pytest.fixture(scope="module")
def compared(pool):
    return xframe.diff("lenet5_maxavg", "paddle", "torch", xframe.DiffOptions(gradients=True), pool=pool)


def test_a_port_prints_its_verdict(ported):
    assert repr(ported) == "<PortResult lenet5_maxavg paddle → torch: equivalent>"
    first, float64, float32, wrote = str(ported).splitlines()
    assert first == "lenet5_maxavg paddle → torch: equivalent"
    assert float64.startswith("float64: max |a−b| ")
    assert float32.startswith("float32: max |a−b| ")
    assert wrote == f"wrote {ported.out}"


def test_a_diff_prints_its_verdict(compared):
    assert repr(compared) == "<DiffResult lenet5_maxavg paddle → torch: equivalent>"
    lines = str(compared).splitlines()
    assert lines[0] == "lenet5_maxavg paddle → torch: equivalent"
    assert lines[2] == "layers: 0 of 6 calls differ"
    assert lines[3].startswith("gradients agree: 11 compared, the worst is ")


def test_a_difference_prints_where_and_why(pool):
    table = "docs/examples/another_epsilon.toml"
    found = str(xframe.diff(table, "paddle", "torch", pool=pool))
    assert "first divergence: batch_norm norm (norm / stem.1): max |a−b|" in found
    assert "epsilon (confirmed): epsilon is 1e-05 in paddle's norm and 1.001e-05 in torch's stem.1." in found
    assert "To change: give stem.1 in torch epsilon 1e-05." in found


def test_results_have_a_truth_value_and_are_frozen(ported, compared):
    assert compared
    assert ported.proof
    for result, name in ((ported, "out"), (compared, "layers"), (compared.layers.calls[0], "turn")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(result, name, None)


def test_a_certificate_is_verified(ported):
    assert xframe.verify(ported.certificate, ported.out)


def test_arrays_are_compared():
    found = xframe.compare(np.array([1.0, 2.0]), np.array([1.0, 2.5]), xframe.Tolerance())
    assert not found
    assert str(found) == "max |a−b| 5.0e-01, relative 2.5e-01"


@pytest.mark.parametrize("name", xframe.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name):
    found = getattr(xframe, name)
    assert name == "__version__" or found.__doc__
