"""Causes that are near but wrong, and several at once: nothing is confirmed that does not make the layer agree."""

import pytest
import spoilt
from planted import PAIRS, SCALE, SHIFT, Sheet


def causes(result):
    return [(cause.cause, cause.confirmed) for cause in result.proof.divergence.causes]


def spoiling(source, target, spoil, **knobs):
    sheet = Sheet(source, target, knobs)
    spoil(sheet)
    return sheet


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_an_epsilon_and_a_swap_in_one_layer(plant, source, target):
    """Neither by itself makes the layer agree; both do."""
    swapped = spoilt.swap_vectors(SCALE, SHIFT, "bn1")
    result = plant(spoiling(source, target, swapped, epsilon=1e-3))
    assert causes(result) == [("epsilon", True), ("swapped tensors", True)]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_an_epsilon_that_is_not_what_matters(plant, source, target):
    """1.0000000001e-5 for 1e-5 moves nothing: named as different it would be, confirmed it must not be."""
    swapped = spoilt.swap_vectors(SCALE, SHIFT, "bn1")
    found = causes(plant(spoiling(source, target, swapped, epsilon=1.0000000001e-5)))
    assert ("swapped tensors", True) in found
    assert ("epsilon", True) not in found


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_missing_relu_before_a_kernel_of_other_axes(plant, source, target):
    turned = spoilt.give_axes("o i h w", "o i w h", "conv2")
    found = causes(plant(spoiling(source, target, turned, relus=0)))
    assert found == [("missing activation", True), ("permuted axes", True)]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_sum_and_another_activation_are_not_one_of_them(plant, source, target):
    """Two differences between two layers, of which no single one explains what is read."""
    found = causes(plant(Sheet(source, target, {"residual": True, "activation": "gelu"})))
    assert all(cause != "missing sum" or not confirmed for cause, confirmed in found)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_faults_in_two_layers_are_told_one_after_the_other(plant, source, target):
    result = plant(Sheet(source, target, {"epsilon": 1e-3, "pool": "avg"}))
    assert result.proof.divergence.source_name == "bn1"
    assert causes(result) == [("epsilon", True)]
