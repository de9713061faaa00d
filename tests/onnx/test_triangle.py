"""``xframe onnx``: every implementation exported, held to its model, all held against all; files kept, faults told."""

import json

import numpy as np
import onnx
import pytest
from planted import Sheet
from planting import BRANCHES

from xframe.errors import CheckpointError, OutputError, UsageError
from xframe.workers import Pool
from xframe.workflows.onnx import OnnxOptions
from xframe.workflows.onnx import onnx as carry_out
from xframe.workflows.port import PortOptions, port

NARROW = {"size": 64, "num_classes": 10, "hidden1": 8, "hidden2": 8}  # vgg on 64 × 64


@pytest.fixture
def triangle(pool):
    def run(model, *implementations, **options):
        return carry_out(str(model), implementations, OnnxOptions(**options), pool=pool)

    return run


def test_all_three_agree_with_each_other_and_their_exports(triangle, images, tmp_path):
    found = triangle(BRANCHES, input=images, out=tmp_path / "kept")
    assert (found.verdict, found.exit_code) == ("equivalent", 0)
    assert found.implementations == ("paddle", "torch", "keras")
    assert len(found.agreements) == 6 * 5 / 2
    assert all(pair.float64.max_rel <= 1e-11 for pair in found.agreements)
    assert {run.batch for parity in found.parities for run in parity.runs} == {3, 1}
    assert {run.optimised for parity in found.parities for run in parity.runs} == {True, False}
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
        "branches-keras.onnx", "branches-paddle.onnx", "branches-torch.onnx",
    ]  # fmt: skip
    said = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert said["exports"]["torch"]["weights"]["folded"] == 2
    assert {said["exports"][name]["layout"] for name in ("paddle", "torch")} == {"NCHW"}
    assert said["exports"]["keras"]["layout"] == "NHWC"
    assert said["runtime"]["optimisation"] == ["all", "none"]


def test_names_and_the_batch_are_sane(triangle, tmp_path):
    triangle(BRANCHES, "paddle", "keras", out=tmp_path)
    for path in tmp_path.glob("*.onnx"):
        graph = onnx.load(path).graph
        (given,), (gave,) = graph.input, graph.output
        assert (given.name, gave.name) == ("input", "output")
        assert given.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_weights_are_the_first_one_s(triangle, port, tmp_path):
    weights = port(BRANCHES, "torch", "keras", out=tmp_path / "mine.npz").out
    found = triangle(BRANCHES, "keras", "torch", weights=weights)
    assert (found.verdict, found.weights) == ("equivalent", str(weights))
    assert found.implementations == ("keras", "torch")


@pytest.mark.parametrize("opset", [13, 18])
def test_an_opset_for_all(triangle, opset):
    found = triangle(BRANCHES, "paddle", "keras", opset=opset)
    wrote = {parity.implementation: parity.export.facts.opset for parity in found.parities}
    assert found.verdict == "equivalent"
    assert all(number == opset or any(f"wrote opset {number}, not {opset}" in note for note in found.notes)
               for number in wrote.values())  # fmt: skip


def test_tensors_beside_the_graph(triangle, tmp_path):
    found = triangle(BRANCHES, "torch", "paddle", external=True, out=tmp_path)
    assert found.verdict == "equivalent"
    for name, path in found.out.items():
        beside = path.with_name(f"{path.name}.data")
        assert beside.stat().st_size > 4 * 128 * 128, name
        assert path.stat().st_size < 20_000
        assert onnx.load(path).graph.initializer  # with the file beside it
    assert all(parity.weights for parity in found.parities)


def test_a_model_that_differs_is_no_exporter_s_fault(triangle, tmp_path):
    sheet = Sheet("paddle", "torch", {"epsilon": 1e-3}, "target", {"padding": "own"})
    found = triangle(sheet.write(tmp_path / "small.toml"))
    assert (found.verdict, found.exit_code) == ("different", 1)
    assert all(found.parities)  # each export is its own model
    assert list(found.divergences) == ["torch"]
    cause = found.divergences["torch"].causes[0]
    assert (cause.cause, cause.confirmed) == ("epsilon", True)
    disagree = {(pair.one, pair.other) for pair in found.agreements if not pair}
    assert disagree == {
        ("paddle", "torch"), ("paddle", "torch.onnx"), ("torch", "paddle.onnx"), ("paddle.onnx", "torch.onnx"),
    }  # fmt: skip


def test_an_exporter_that_fails_is_said_and_the_others_go_on(tmp_path):
    """paddle2onnx ends its process for an opset that it does not know; tf2onnx raises."""
    with Pool() as pool:
        found = carry_out("lenet5_maxavg", ["paddle", "keras", "torch"], OnnxOptions(opset=99), pool=pool)
    assert (found.verdict, found.exit_code) == ("unproven", 1)
    assert "paddle2onnx cannot export paddle: its process was killed by SIGABRT" in found.failed["paddle"]
    assert found.failed["keras"].startswith("tf2onnx cannot export keras: ")
    assert not any("\n" in reason for reason in found.failed.values())
    assert found.to_json()["exports"]["paddle"]["error"] == found.failed["paddle"]


def test_a_network_that_leaves_the_size_of_its_images_open(triangle):
    """Keras exports its adaptive pools for an input of known size only. Here they cut 8 × 8 into 7 × 7."""
    found = triangle("vgg7", set=NARROW)
    assert found.verdict == "equivalent"
    assert not found.failed


def test_paddle2onnx_ends_its_process_where_an_adaptive_pool_enlarges_its_map(tmp_path):
    """4 × 4 to 7 × 7: it divides by a window of 0."""
    with Pool() as pool:
        found = carry_out("vgg9", ["paddle", "torch"], OnnxOptions(set=NARROW), pool=pool)
    assert "paddle2onnx cannot export paddle: its process was killed by SIGFPE" in found.failed["paddle"]
    assert [parity.implementation for parity in found.parities if parity] == ["torch"]


def test_a_graph_that_does_not_run_is_its_exporter_s_fault(triangle, tmp_path):
    """tf2onnx 1.17 writes Keras's grouped convolutions, compiled calls, as an operator that does not exist."""
    sheet = Sheet("torch", "keras", {}, "target", {"mixing": "groups", "padding": "own"})
    found = triangle(sheet.write(tmp_path / "small.toml"))
    torch, keras = found.parities
    assert torch
    assert not keras
    assert keras.blame.party.startswith("tf2onnx")
    assert "onnx.checker refuses it: No Op registered for StatefulPartitionedCall" in keras.blame.because
    assert "onnxruntime does not run it" in keras.comparison.reason
    disagree = {(pair.one, pair.other) for pair in found.agreements if not pair}
    assert disagree == {("torch", "keras.onnx"), ("keras", "keras.onnx"), ("torch.onnx", "keras.onnx")}
    assert json.dumps(found.to_json(), allow_nan=False)


def test_what_cannot_be_asked(triangle, tmp_path):
    with pytest.raises(UsageError, match="--opset is a number from 7 on"):
        triangle(BRANCHES, opset=3)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="expected to be a folder"):
        triangle(BRANCHES, out=tmp_path / "file")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04nothing")
    with pytest.raises(CheckpointError):
        triangle(BRANCHES, weights=tmp_path / "broken.npz")


def test_the_certificate_of_a_port_has_both_exports(pool, tmp_path):
    result = port(str(BRANCHES), "paddle", "torch", PortOptions(out=tmp_path / "x.pth", onnx=True), pool=pool)
    held = json.loads(result.certificate.read_text())["onnx"]
    assert {name: (found["passed"], found["float64"]["max_rel"] < 1e-12) for name, found in held.items()} == {
        "paddle": (True, True), "torch": (True, True),
    }  # fmt: skip


def test_the_command(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(BRANCHES.parents[1] / "faults"))
    done = cli("onnx", str(BRANCHES), "paddle", "torch", "--out", "kept")
    assert done.returncode == 0, done.stderr
    assert "branches  paddle, torch → onnx  equivalent" in done.stdout
    assert "who agrees with whom" in done.stdout
    assert (tmp_path / "kept" / "branches-torch.onnx").exists()
    said = json.loads(cli("onnx", str(BRANCHES), "torch", "--json").stdout)
    assert (said["command"], said["verdict"], list(said["exports"])) == ("onnx", "equivalent", ["torch"])
    refused = cli("onnx", str(BRANCHES), "caffe")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert np.all([word in refused.stderr for word in ("caffe", "paddle")])
