"""``xframe diff`` with an .onnx file: a model against an export, an export against another; hostile files refused."""

import dataclasses
import json

import numpy as np
import onnx
import planting
import pytest
from onnx import numpy_helper
from planting import BRANCHES

from xframe.comparison import Tolerance
from xframe.errors import CheckpointError, UsageError
from xframe.proving.onnx.parity import hold
from xframe.workflows.diff import DiffOptions
from xframe.workflows.diff_graphs import diff_graphs, has_graph


@pytest.fixture(scope="session")
def weights(natives, tmp_path_factory):
    """The weights of each implementation, by its own writer."""
    folder, endings = tmp_path_factory.mktemp("weights"), {"paddle": "pdparams", "torch": "pth", "keras": "weights.h5"}
    paths = {name: folder / f"branches.{endings[name]}" for name in natives}
    for name, native in natives.items():
        native.side.save_file(paths[name])
    return paths


@pytest.fixture
def compared(pool, weights):
    """A diff; a model is given its weights."""

    def run(source, target, model=BRANCHES, **options):
        given = {"source_weights": weights.get(source), "target_weights": weights.get(target)}
        return diff_graphs(str(model), str(source), str(target), DiffOptions(**{**given, **options}), pool=pool)

    return run


def graph(exports, column):
    return str(exports[column].graph.path)


@pytest.fixture
def spoilt(exports, tmp_path):
    """An export with a fault in it."""

    def make(column, plant):
        model = onnx.load(graph(exports, column))
        nodes = plant(model)
        onnx.save(model, tmp_path / "spoilt.onnx")
        return str(tmp_path / "spoilt.onnx"), nodes

    return make


@pytest.mark.parametrize(("model", "export"), [("paddle", "torch"), ("torch", "keras"), ("keras", "paddle")])
def test_any_model_against_any_export(compared, exports, model, export):
    found = compared(model, graph(exports, export))
    assert (found.verdict, found.exit_code) == ("equivalent", 0)
    assert found.float64.max_rel <= 1e-11
    assert found.parity.weights
    assert compared(graph(exports, export), model)


def test_two_exports(compared, exports):
    """Folds that an exporter rounded stay as they are: there is no model that says what they should be."""
    assert compared(graph(exports, "paddle"), graph(exports, "keras")).float64.max_rel <= 1e-6
    assert compared(graph(exports, "paddle"), graph(exports, "torch"), "-")


def test_a_fault_in_an_export_is_found_from_another_framework(compared, spoilt):
    path, (node,) = spoilt("paddle", planting.shift_pads("Conv", 1))
    found = compared("torch", path)
    assert found.verdict == "different"
    assert (found.first_divergence.source_name, found.first_divergence.target_name) == ("conv2", f"Conv {node.name}")
    assert [cause.cause for cause in found.first_divergence.causes] == ["pads"]
    turned = compared(path, "torch").first_divergence
    assert (turned.source_name, turned.target_name) == (f"Conv {node.name}", "conv2")


def test_a_fault_between_two_exports(compared, exports, spoilt):
    path, _ = spoilt("torch", planting.swap_concat)
    found = compared(graph(exports, "torch"), path)
    assert found.verdict == "different"
    assert found.first_divergence.target_name.startswith("Concat ")
    assert [cause.cause for cause in found.first_divergence.causes] == ["order of inputs"]


def test_another_training_s_weights_are_told(compared, spoilt):
    path, _ = spoilt("torch", planting.alter(("Gemm",), 1))
    found = compared("torch", path)
    assert not found
    assert "head.weight should hold head.weight" in str(found.first_divergence)


def test_json(compared, exports, spoilt):
    path, _ = spoilt("torch", planting.transpose)
    for target in (path, graph(exports, "torch")):
        said = json.loads(json.dumps(compared("torch", target).to_json(), allow_nan=False))
        assert said["command"] == "diff"
        assert (said["verdict"] == "different") == (said["first_divergence"] is not None)


def test_what_a_graph_cannot_be_asked(compared, exports, weights):
    torch = graph(exports, "torch")
    for options in ({"gradients": True}, {"train_steps": 2}):
        with pytest.raises(UsageError, match="computes outputs only"):
            compared("torch", torch, **options)
    for options in ({"tolerance": Tolerance(rtol=1e-3)}, {"refed": False}):
        with pytest.raises(UsageError, match="held to bounds of its own"):
            compared("torch", torch, **options)
    with pytest.raises(UsageError, match="name them by --source-weights"):
        compared("torch", torch, source_weights=None)
    with pytest.raises(UsageError, match="it takes no file of them"):
        compared("torch", torch, target_weights=weights["torch"])
    with pytest.raises(UsageError, match="two .onnx files can do without"):
        compared("torch", torch, "-")


def test_an_open_shape_needs_an_input(compared, exports, tmp_path, images):
    model = onnx.load(graph(exports, "torch"))
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    onnx.save(model, tmp_path / "open.onnx")
    path = str(tmp_path / "open.onnx")
    with pytest.raises(UsageError, match=r"name an input of that shape by --input"):
        compared(path, path, "-")
    assert compared(path, path, "-", input=images)


def fixed(model, batch):
    """The same graph for so many images only."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    return []


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch_is_nobody_s_fault(compared, exports, spoilt, batch):
    """What torch exports unless it is told otherwise."""
    path, _ = spoilt("torch", lambda model: fixed(model, batch))
    found = compared("torch", path)
    assert found.verdict == "equivalent", str(found)
    assert found.notes == (f"a batch of {batch} is fixed in the graph: it was held on that one only",)
    assert [run.batch for run in found.parity.runs] == [batch, batch]
    assert compared(graph(exports, "torch"), path, "-")
    assert compared(graph(exports, "torch"), path)


def test_two_fixed_batches_have_no_input_in_common(compared, exports, tmp_path):
    paths = []
    for batch in (1, 3):
        model = onnx.load(graph(exports, "torch"))
        fixed(model, batch)
        paths.append(str(tmp_path / f"{batch}.onnx"))
        onnx.save(model, paths[-1])
    with pytest.raises(UsageError, match="no input suits both"):
        compared(*paths)


def test_an_export_whose_batch_is_fixed_is_its_exporter_s_fault(held, natives):
    """The exporters are asked for any batch: then it is no use that two images pass."""
    parity, _ = held("torch", lambda model: fixed(model, 2))
    assert parity
    asked = dataclasses.replace(parity.export, any_batch=True)
    again = hold(asked, natives["torch"])
    assert not again
    assert again.blame.party == parity.export.exporter
    assert "it takes 2 images and no other number" in again.blame.because


def test_another_size_is_said_before_anything_runs(compared, exports, tmp_path):
    path = tmp_path / "large.npy"
    np.save(path, np.zeros((2, 1, 16, 16), np.float32) + np.arange(16))
    expected = r"reads input float \['batch', 1, 8, 8\], and the input has the shape \[2, 1, 16, 16\]: name one"
    for one, other, model in (("torch", graph(exports, "torch"), BRANCHES), (*[graph(exports, "torch")] * 2, "-")):
        with pytest.raises(UsageError, match=expected):
            compared(one, other, model, input=path)


def test_weights_of_another_training_are_named(compared, spoilt):
    def plant(model):
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.ndim and values.dtype == "float32":
                planting.set_values(tensor, values[::-1] * np.float32(1.5) + np.float32(0.1))

    path, _ = spoilt("torch", plant)
    found = compared("torch", path)
    (cause,) = found.blame.causes
    assert (cause.cause, cause.confirmed) == ("other weights", False)
    assert "of the model's tensors are not in the graph: conv1.weight" in cause.detail


def external(location):
    """An export whose first tensor lies elsewhere."""

    def plant(model):
        tensor = max(model.graph.initializer, key=lambda held: len(held.raw_data))
        values = numpy_helper.to_array(tensor)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", str(values.nbytes))):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
        return [values]

    return plant


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "link"])
def test_hostile_places_are_refused_before_anything_runs(compared, exports, tmp_path, location):
    model = onnx.load(graph(exports, "torch"))
    (values,) = external(location)(model)
    inner = tmp_path / "inner"
    inner.mkdir()
    np.ascontiguousarray(values).tofile(tmp_path / "secret")
    (inner / "link").symlink_to(tmp_path / "secret")
    (inner / "hostile.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match="hostile.onnx"):
        compared("torch", str(inner / "hostile.onnx"))


@pytest.mark.parametrize("content", [b"", b"\x08\x08", b"not a graph at all"])
def test_what_is_no_graph_is_one_error(compared, tmp_path, content):
    (tmp_path / "none.onnx").write_bytes(content)
    with pytest.raises(CheckpointError, match="none.onnx"):
        compared("torch", str(tmp_path / "none.onnx"))
    with pytest.raises(CheckpointError, match="missing.onnx"):
        compared("torch", str(tmp_path / "missing.onnx"))


def test_only_files_are_graphs():
    assert has_graph("torch", "x.onnx")
    assert has_graph("X.ONNX", "torch")
    assert not has_graph("torch", "paddle")


def test_the_command(cli, monkeypatch, exports, weights):
    monkeypatch.setenv("PYTHONPATH", str(BRANCHES.parents[1] / "faults"))
    done = cli("diff", str(BRANCHES), "torch", graph(exports, "keras"), "--source-weights", str(weights["torch"]))
    assert done.returncode == 0, done.stderr
    assert "equivalent" in done.stdout
    refused = cli("diff", str(BRANCHES), "torch", "nowhere.onnx", "--source-weights", str(weights["torch"]))
    assert refused.returncode == 2
    assert refused.stderr.count("xframe:") == 1
