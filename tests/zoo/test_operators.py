import pytest


@pytest.fixture
def operators(paddle_facts):
    return paddle_facts["operators"]


def test_convolution_by_hand(operators):
    assert operators["kernel"] == [[[[25, 31], [43, 49]]]]
    assert operators["channels"] == [[[[20, 28], [44, 52]]] * 2]


def test_pooling_by_hand(operators):
    assert operators["max"] == [[[[6, 8], [14, 16]]]]
    assert operators["avg"] == [[[[3.5, 5.5], [11.5, 13.5]]]]


@pytest.mark.parametrize("layer", ["padded", "padded pool"])
def test_padding_keeps_or_halves_the_size(operators, layer):
    assert operators[layer] == [[1, 1, 8, 8], [1, 1, 4, 4]]


def test_bias_is_a_column_of_zeros(operators):
    assert operators["bias"] == [[0.0]] * 6


def worst(distances, comparisons):
    assert len(distances) == comparisons
    assert all(distance >= 0 for distance in distances), "a NaN is no agreement"
    return max(distances)


def test_outputs_and_gradients_are_the_frameworks(operators):
    assert worst(operators["conv2d"], 36) < 1e-12
    assert worst(operators["conv2d float32"], 36) < 1e-4
    assert worst(operators["max_pool2d"], 24) < 1e-12
    assert worst(operators["max_pool2d ties"], 24) < 1e-11
    assert worst(operators["avg_pool2d"], 24) < 1e-12
    assert worst(operators["mean kernel"], 24) < 1e-12
    assert operators["networks"] < 1e-12


def test_pools_that_make_no_sense_are_refused(operators):
    assert operators["refusals"] == [
        "mode is one of max, avg, not 'min'",
        "padding 2 is more than half of kernel_size 3",
    ]


def test_export_to_onnx_for_any_batch(paddle_facts):
    assert 0 <= paddle_facts["onnx"] < 1e-5
