"""Graphs that a stranger wrote to harm: refused, or told in words that a terminal can show."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from xframe.errors import CheckpointError, ModelError, UsageError
from xframe.workflows.diff_graphs import diff_graphs

BELL = "\x1b[31m\x07\n[red]evil[/]"


def model(nodes, initialisers=(), inputs=("x",), opset=17, functions=(), more=()):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in (*inputs, "y")]
    graph = helper.make_graph(nodes, "one", values[:-1], values[-1:], list(initialisers))
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in more)]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions))


def node(operator, read, gave, **attributes):
    return helper.make_node(operator, read, gave, **attributes)


@pytest.fixture
def compared(pool, tmp_path):
    def run(one, other=None):
        paths = [tmp_path / "models" / f"{name}.onnx" for name in ("one", "other")]
        paths[0].parent.mkdir(exist_ok=True)
        for path, held in zip(paths, (one, other or one), strict=True):
            path.write_bytes(held.SerializeToString())
        return diff_graphs("-", *map(str, paths), pool=pool)

    return run


def elsewhere(location):
    tensor = numpy_helper.from_array(np.float32([[1, 2, 3]]), "k")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "12")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def in_a_node(tensor):
    return model([node("Constant", [], ["k"], value=tensor), node("Add", ["x", "k"], ["y"])])


def in_a_branch(tensor):
    result = helper.make_tensor_value_info("o", TensorProto.FLOAT, [2, 3])
    body = helper.make_graph([node("Add", ["x", "k"], ["o"])], "body", [], [result], [tensor])
    return model(
        [node("If", ["c"], ["y"], then_branch=body, else_branch=body)], [numpy_helper.from_array(np.array(True), "c")]
    )


def in_a_function(tensor):
    inside = [node("Constant", [], ["k"], value=tensor), node("Add", ["a", "k"], ["b"])]
    function = helper.make_function("own", "F", ["a"], ["b"], inside, [helper.make_opsetid("", 17)])
    return model([node("F", ["x"], ["y"], domain="own")], functions=[function], more=["own"])


@pytest.mark.parametrize("place", [in_a_node, in_a_branch, in_a_function])
@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "link"])
def test_places_outside_are_refused_wherever_a_tensor_stands(compared, tmp_path, place, location):
    (tmp_path / "secret").write_bytes(np.float32([7, 8, 9]).tobytes())
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "link").symlink_to(tmp_path / "secret")
    held = place(elsewhere(location))
    with pytest.raises(CheckpointError, match=r"one\.onnx: expected"):
        compared(held)


def test_a_plain_place_is_read(compared, tmp_path):
    (tmp_path / "models").mkdir()
    np.float32([7, 8, 9]).tofile(tmp_path / "models" / "beside")
    assert compared(in_a_node(elsewhere("beside")))


REFUSED = {
    "a cycle": model([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])]),
    "an operator of nobody's": model([node("Evil", ["x"], ["y"], domain="evil")], more=["evil"]),
    "opset 999": model([node("Relu", ["x"], ["y"])], opset=999),
    "a name given twice": model([node("Relu", ["x"], ["y"]), node("Sigmoid", ["x"], ["y"])]),
    "a value from nowhere": model([node("Relu", ["nothing"], ["y"])]),
    "shapes that do not fit": model(
        [node("MatMul", ["x", "w"], ["y"])], [numpy_helper.from_array(np.ones((7, 7), np.float32), "w")]
    ),
    "256 GB": model(
        [node("ConstantOfShape", ["s"], ["e"]), node("ReduceSum", ["e"], ["r"]), node("Add", ["x", "r"], ["y"])],
        [numpy_helper.from_array(np.array([1 << 36]), "s")],
    ),
    "control characters": model([node(f"Relu{BELL}", ["x"], ["y"], name=BELL)]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_graph_that_does_not_run_is_one_clear_error(compared, case):
    with pytest.raises(ModelError, match=r"one\.onnx was expected to run in onnxruntime, which says") as caught:
        compared(REFUSED[case])
    assert str(caught.value).isprintable()


def test_a_graph_without_inputs_is_refused(compared):
    with pytest.raises(UsageError, match="reads no input"):
        compared(model([node("ConstantOfShape", ["s"], ["y"])], [numpy_helper.from_array(np.int64([2, 3]), "s")], ()))


def test_names_reach_the_terminal_spelt_out(compared):
    one, other = (
        model([node("Relu", ["x"], [BELL]), node(last, [BELL], ["y"], name=BELL)]) for last in ("Sigmoid", "Tanh")
    )
    found = compared(one, other)
    assert found.verdict == "different"
    assert str(found.first_divergence).replace("\n", "").isprintable()
    assert "\\x1b[31m" in str(found.first_divergence)
