"""Operators in float64 against onnx's own, and where that is not right, against onnxruntime in float32."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.ops.op_resize import Resize as EvaluatorsResize

from xframe.frameworks.onnx.exact import Exact, as_written

RANDOM = np.random.default_rng(0)
NAMES = ("x", "w", "b", "mean", "variance")


def graph(operator, arrays, opset=17, **attributes):
    node = helper.make_node(operator, list(NAMES[: len(arrays)]), ["y"], **attributes)
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name, _ in zip(NAMES, arrays, strict=False)
    ]
    made = helper.make_graph([node], "one", values, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)])


def both_of_runtime(operator, arrays, opset=17, **attributes):
    """What ours gives, and what onnxruntime does, in float32."""
    model = graph(operator, arrays, opset, **attributes)
    inputs = {name: array.astype(np.float32) for name, array in zip(NAMES, arrays, strict=False)}
    ours = [step.gave[0] for step in Exact(model).steps(dict(zip(NAMES, arrays, strict=False)))][-1]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return ours, session.run(None, inputs)[0]


def near(ours, theirs):
    return ours.shape == theirs.shape and np.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def both(operator, arrays, opset=17, **attributes):
    """What ours gives, and what the evaluator's own does, in float64."""
    model = graph(operator, arrays, opset, **attributes)
    inputs = dict(zip(NAMES, arrays, strict=False))
    ours = [step.gave[0] for step in Exact(model).steps(inputs)][-1]
    return ours, ReferenceEvaluator(model).run(None, inputs)[0]


PADS = st.lists(st.integers(0, 2), min_size=4, max_size=4)
PAIRS = st.lists(st.integers(1, 3), min_size=2, max_size=2)


@settings(max_examples=60, deadline=None)
@given(
    groups=st.sampled_from([1, 2, 4]), kernel=PAIRS, strides=PAIRS, dilations=PAIRS, pads=PADS,
    bias=st.booleans(), images=st.integers(1, 2),
)  # fmt: skip
def test_convolutions(groups, kernel, strides, dilations, pads, bias, images):
    arrays = [RANDOM.standard_normal((images, 4, 9, 8)), RANDOM.standard_normal((8, 4 // groups, *kernel))]
    arrays += [RANDOM.standard_normal(8)] if bias else []
    ours, theirs = both("Conv", arrays, group=groups, strides=strides, dilations=dilations, pads=pads)
    assert np.allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_that_pad_by_a_word(auto_pad, stride):
    arrays = [RANDOM.standard_normal((1, 2, 7, 7)), RANDOM.standard_normal((3, 2, 3, 3))]
    assert near(*both_of_runtime("Conv", arrays, auto_pad=auto_pad, strides=[stride, stride]))


@pytest.mark.parametrize("rank", [1, 3])
def test_convolutions_of_other_ranks(rank):
    arrays = [RANDOM.standard_normal((1, 2, *[5] * rank)), RANDOM.standard_normal((3, 2, *[3] * rank))]
    ours, theirs = both("Conv", arrays, pads=[1] * 2 * rank)
    assert np.allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(kernel=PAIRS, strides=PAIRS, pads=PADS, ceil=st.booleans(), sort=st.sampled_from(["MaxPool", "AveragePool"]),
       counted=st.booleans())  # fmt: skip
def test_pools(kernel, strides, pads, ceil, sort, counted):
    """Padding is less than the window, as the operator asks."""
    assume(all(pad < kernel[index % 2] for index, pad in enumerate(pads)))
    options = {"kernel_shape": kernel, "strides": strides, "pads": pads, "ceil_mode": int(ceil)}
    options |= {"count_include_pad": int(counted)} if sort == "AveragePool" else {}
    assert near(*both_of_runtime(sort, [RANDOM.standard_normal((2, 3, 9, 8))], **options))


def test_a_window_that_hangs_over():
    """9 pixels, windows of 2 at 0, 2, 4, 6 and 8, the last one half outside."""
    x = np.arange(9.0).reshape(1, 1, 9)
    options = {"kernel_shape": [2], "strides": [2], "ceil_mode": 1}
    largest, mean = (both_one(sort, x, **options) for sort in ("MaxPool", "AveragePool"))
    assert largest.reshape(-1).tolist() == [1, 3, 5, 7, 8]
    assert mean.reshape(-1).tolist() == [0.5, 2.5, 4.5, 6.5, 8]


def both_one(operator, x, **attributes):
    return [step.gave[0] for step in Exact(graph(operator, [x], **attributes)).steps({"x": x})][-1]


@pytest.mark.parametrize("opset", [9, 15])
def test_batch_norm_is_at_inference_in_every_opset(opset):
    """With a momentum the evaluator's own trains before opset 14 (onnx 1.17)."""
    x, scale, bias, mean = (RANDOM.standard_normal(shape) for shape in ((2, 3, 4, 4), 3, 3, 3))
    variance = RANDOM.random(3) + 0.5
    ours, _ = both("BatchNormalization", [x, scale, bias, mean, variance], opset, momentum=0.9, epsilon=1e-3)
    turned = [part.reshape(-1, 1, 1) for part in (scale, bias, mean, variance)]
    expected = (x - turned[2]) / np.sqrt(turned[3] + 1e-3) * turned[0] + turned[1]
    assert np.allclose(ours, expected, rtol=1e-14, atol=1e-14)


GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
WAYS = [(operator, way) for operator in GATES for way in ({}, {"direction": "reverse"}, {"direction": "bidirectional"})]


@pytest.mark.parametrize(("operator", "options"), [*WAYS, ("GRU", {"linear_before_reset": 1})])
def test_recurrent_layers(operator, options):
    ways, gates = 2 if options.get("direction") == "bidirectional" else 1, GATES[operator]
    x, w, r = (RANDOM.standard_normal(shape) for shape in ((5, 2, 3), (ways, gates * 4, 3), (ways, gates * 4, 4)))
    arrays = [x, w, r, RANDOM.standard_normal((ways, 2 * gates * 4))]
    outputs = ["y", "last", "cell"][: 3 if operator == "LSTM" else 2]
    node = helper.make_node(operator, ["x", "w", "b", "mean"], outputs, hidden_size=4, **options)
    values = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
              for names in (("x", "w", "b", "mean"), outputs)]  # fmt: skip
    model = helper.make_model(helper.make_graph([node], "one", *values), opset_imports=[helper.make_opsetid("", 17)])
    inputs = dict(zip(("x", "w", "b", "mean"), arrays, strict=True))
    (step,) = Exact(model).steps(inputs)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {name: array.astype(np.float32) for name, array in inputs.items()})
    assert len(step.gave) == len(theirs)
    assert all(near(one, other) for one, other in zip(step.gave, theirs, strict=True))


def test_what_is_not_computed_says_so():
    with pytest.raises(NotImplementedError, match="training mode"):
        both(
            "BatchNormalization", [RANDOM.standard_normal(shape) for shape in ((1, 3, 2), 3, 3, 3, 3)], training_mode=1
        )


def test_attributes_are_read_as_they_were_written():
    numbers = [1e-5, 1.001e-5, 0.1, 1.0, -0.3, 1 / 6, 2 / 3, 0.044715, np.inf]
    assert as_written(np.float32(numbers)).tolist() == numbers
    x = np.array([-3.0])
    (step,) = Exact(graph("LeakyRelu", [x], alpha=0.01)).steps({"x": x})
    assert step.gave[0][0] == -0.03  # not -0.029999999329447746


def test_a_value_goes_when_nobody_reads_it_any_more():
    """Of a chain only two values are held at a time."""
    nodes = [helper.make_node("Relu", [f"v{index}"], [f"v{index + 1}"]) for index in range(5)]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("v0", "v5")]
    model = helper.make_model(helper.make_graph(nodes, "chain", values[:1], values[1:]),
                              opset_imports=[helper.make_opsetid("", 17)])  # fmt: skip
    assert [step.gave[0].tolist() for step in Exact(model).steps({"v0": np.array([-1.0, 2.0])})] == [[0.0, 2.0]] * 5


MODES = st.sampled_from(["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners", "half_pixel_symmetric"])
ROUNDED = st.sampled_from(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])


@settings(max_examples=60, deadline=None)
@given(
    coordinates=MODES, mode=st.sampled_from(["nearest", "linear", "cubic"]), nearest=ROUNDED,
    a=st.sampled_from([-0.5, -0.75]),
    size=st.lists(st.integers(1, 9), min_size=2, max_size=2), by_scale=st.booleans(), outside=st.booleans(),
)  # fmt: skip
def test_resizes(coordinates, mode, nearest, a, size, by_scale, outside):
    assume(mode == "cubic" or not outside)  # the evaluator's own divides whole numbers in place, and fails
    assume(coordinates != "pytorch_half_pixel" or min(size) > 1)  # the operator says 0, the evaluator's own -0.5
    x, names = (
        RANDOM.standard_normal((2, 1, 4, 5)),
        ["x", "", "scales" if by_scale else "", "" if by_scale else "sizes"],
    )
    scales, sizes = np.float32([1, 1, size[0] / 4, size[1] / 5]), np.int64([2, 1, *size])
    assume(not by_scale or [*np.int64(scales[2:] * np.float32([4, 5]))] == size)
    model = resize(names, scales, sizes, coordinate_transformation_mode=coordinates, mode=mode, nearest_mode=nearest,
                   cubic_coeff_a=a, exclude_outside=int(outside))  # fmt: skip
    ours = [step.gave[0] for step in Exact(model).steps({"x": x})][-1]
    exact = scales.astype(np.float64)
    exact[2:] = [size[0] / 4, size[1] / 5]  # the evaluator's own takes 1.4 for 1.39999998, and drops a row
    own = EvaluatorsResize.eval(
        x, None, exact if by_scale else None, None if by_scale else sizes, coordinate_transformation_mode=coordinates,
        mode=mode, nearest_mode=nearest, cubic_coeff_a=float(np.float32(a)), exclude_outside=int(outside),
    )  # fmt: skip
    assert ours.shape == own.shape
    assert np.allclose(ours, own, rtol=1e-9, atol=1e-9)


def resize(names, scales, sizes, **attributes):
    node = helper.make_node("Resize", names, ["y"], **attributes)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y")]
    held = [numpy_helper.from_array(scales, "scales"), numpy_helper.from_array(sizes, "sizes")]
    made = helper.make_graph([node], "one", values[:1], values[1:], held)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 19)])


def test_a_large_map_is_resized_at_once(monkeypatch):
    """Not by onnx's own way, which takes minutes for this one, pixel by pixel."""
    monkeypatch.setattr(EvaluatorsResize, "_run", None)
    model = resize(["x", "", "scales"], np.float32([1, 1, 2, 2]), np.int64([]), mode="linear")
    (step,) = Exact(model).steps({"x": RANDOM.standard_normal((2, 16, 64, 64))})
    assert step.gave[0].shape == (2, 16, 128, 128)
