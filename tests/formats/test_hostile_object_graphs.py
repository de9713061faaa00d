"""Object graphs of TensorFlow's checkpoints: which names they give, and which of them are none."""

import pytest
from tensor_bundles import DATA, GRAPH, bundle, node, record, refuse, text, with_graph

from xframe import checkpoints
from xframe.checkpoints.budget import Budget


def test_names_of_an_older_keras_and_its_slots(tmp_path):
    """As Keras 2 saves: layers by number, slots beside their variables, an optimizer that lists them."""
    keys = {
        "layer_with_weights-0/kernel": "dense/kernel", "layer_with_weights-0/kernel/.OPTIMIZER_SLOT/optimizer/m":
        "Adam/dense/kernel/m", "optimizer/iter": "Adam/iter", "save_counter": "save_counter",
    }  # fmt: skip
    attributes = [[(key, name)] for key, name in keys.items()]
    graph = node(("layer_with_weights-0", 1), ("optimizer", 2), ("save_counter", 6), ("root", 0))
    graph += node(("kernel", 3)) + node(("iter", 5), slots=1)
    graph += b"".join(node(attributes=held) for held in attributes)
    found = checkpoints.read(with_graph(tmp_path, graph, keys))
    assert list(found.tensors) == ["dense/kernel"]
    assert found.notes[-1] == "left out: 2 variables of the optimizer"
    assert list(found.metadata) == ["save_counter"]


@pytest.mark.parametrize("children", ["_iterations _learning_rate", "iter learning_rate"])
def test_an_optimizer_is_known_by_its_children(tmp_path, children):
    one, two = children.split()
    graph = node(("w", 1), ("training", 2)) + node(attributes=[("w", "w")]) + node((one, 3), (two, 3))
    graph += node(attributes=[("training/x", "o/x")])
    assert list(checkpoints.read(with_graph(tmp_path, graph, ["w", "training/x"])).tensors) == ["w"]


def test_variables_of_one_name_go_by_their_paths(tmp_path):
    graph = node(("a", 1), ("b", 2)) + node(attributes=[("a", "fc/bias")]) + node(attributes=[("b", "fc/bias")])
    assert list(checkpoints.read(with_graph(tmp_path, graph, ["a", "b"])).tensors) == ["a", "b"]


def test_equal_tensors_are_left_out_of_nothing_but_an_export(tmp_path):
    keys = ["other/0", "variables/0"]
    graph = node(("variables", 1), ("other", 2)) + node(("0", 3)) + node(("0", 4))
    graph += node(attributes=[("variables/0", "fc/w")]) + node(attributes=[("other/0", "fc/w")])
    path = with_graph(tmp_path, graph, keys)
    assert len(checkpoints.read(path).tensors) == 2


def test_an_export_whose_second_copy_differs_keeps_both(tmp_path):
    keys = ["_all_variables/0", "variables/0"]
    graph = node(("variables", 1), ("_all_variables", 2)) + node(("0", 3)) + node(("0", 4))
    graph += node(attributes=[("variables/0", "fc/w")]) + node(attributes=[("_all_variables/0", "fc/w")])
    assert sorted(checkpoints.read(with_graph(tmp_path, graph, keys)).tensors) == keys


def test_graphs_in_a_loop_or_without_their_variables(tmp_path):
    loop = node(("again", 0), ("w", 1)) + node(("up", 0), attributes=[("w", "l/w"), ("gone", "l/gone")])
    assert list(checkpoints.read(with_graph(tmp_path, loop, ["w", "x"])).tensors) == ["l/w", "x"]
    assert list(checkpoints.read(with_graph(tmp_path, b"", ["w"])).tensors) == ["w"]


@pytest.mark.parametrize(
    ("graph", "packed", "match"),
    [
        (node(("w", 7)), None, "number 7"),
        (b"\xff", None, "an integer of at most 64 bits"),
        (node(attributes=[("w", "x")]).replace(b"x", b"\xff"), None, "UTF-8"),
        (b"", text(b"", crc=1), "CRC-32C 00000001"),
        (b"", text(b"abc", inner=5), "a text with the CRC-32C"),
        (b"", text(b"abc", told=2**62), "for a length of 4611686018427387904"),
        (b"", text(b"abc", told=4), "for a length of 4"),
        (b"", (b"", 0), "one text"),
        (b"", (b"\x80", 0), "an integer"),
    ],
)  # fmt: skip
def test_graphs_that_are_none(tmp_path, graph, packed, match):
    refuse(with_graph(tmp_path, graph, ["w"], packed), match)


def test_a_graph_larger_than_the_budget_is_not_read(tmp_path):
    packed, crc = text(bytes(5000))
    path = bundle(tmp_path, [(GRAPH, record(dtype=7, offset=48, size=len(packed), crc=crc))], DATA + packed)
    refuse(path, "--max-memory", Budget(4000))


def test_a_graph_of_numbers(tmp_path):
    refuse(bundle(tmp_path, [(GRAPH, record(6))]), "one text; found another tensor")
