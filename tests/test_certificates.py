"""Certificates without a framework: what is written into one, what is none, and what a file is held against."""

import json
import pickle
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
from blake3 import blake3

from xframe import checkpoints
from xframe.checkpoints import Budget, Outgoing
from xframe.checkpoints.keras.child import variables
from xframe.checkpoints.keras.values import Values
from xframe.comparison import Comparison, Tolerance
from xframe.dtypes import Loss
from xframe.errors import CheckpointError
from xframe.mapping import load_table
from xframe.planning import make_plan
from xframe.proving.certificate import read_certificate, write_certificate
from xframe.proving.verdict import PortResult, Proof
from xframe.stopwatch import Progress
from xframe.tensors import TensorSpec
from xframe.workflows.verify import verify

SAID = {"certificate": 1, "model": "m", "source": "paddle", "target": "torch", "verdict": "equivalent"}
ENTRY = {"dtype": "float32", "shape": [2, 3], "digest": "blake3:00"}


def mark(array):
    return "blake3:" + blake3(np.ascontiguousarray(array).tobytes()).hexdigest()


def entry(array):
    return {"dtype": array.dtype.name, "shape": list(array.shape), "digest": mark(array)}


def certify(path, arrays, **more):
    path.write_text(json.dumps(SAID | {"tensors": {name: entry(array) for name, array in arrays.items()}} | more))
    return path


def write(path, arrays):
    specs = [TensorSpec(name, array.shape, array.dtype.name) for name, array in arrays.items()]
    tensors = [Outgoing.whole(spec, lambda array=arrays[spec.name]: array) for spec in specs]
    return checkpoints.write(path, None, tensors, digests=True)


def test_what_a_port_certifies(tmp_path):
    table = load_table("lenet5_maxavg")
    entries = [entry for entry in table.entries if "paddle" in entry.names]
    held = {
        entry.names["paddle"].name: TensorSpec(entry.names["paddle"].name, entry.shape("paddle"), "float32")
        for entry in entries
    }
    plan = make_plan(table, "paddle", "torch", held, lambda name: np.zeros(held[name].shape, "f4"))
    numbers = np.random.default_rng(0)
    arrays = {step.target.name: numbers.random(step.target.shape, np.float32) for step in plan.steps}
    out = tmp_path / "a.b.pth"
    digests = {poured.spec.name: poured.digest for poured in write(out, arrays)}
    same = Comparison(max_abs=0.0, max_rel=0.0, passed=True)
    result = PortResult(
        plan=plan, proof=Proof(float64=same, float32=same, noise_source=0.0, noise_target=0.0), out=out, loss=Loss(),
        weights="random", digests=digests, nbytes=out.stat().st_size,
    )  # fmt: skip
    path = write_certificate(result, out, Tolerance(atol=0.5, rtol=0.25), {"seed": 3})
    assert path == tmp_path / "a.b.pth.xframe.json"
    said = json.loads(path.read_text())
    assert said["table"] == {"file": "lenet5_maxavg.toml", "digest": mark(np.frombuffer(table.file.read_bytes(), "u1"))}
    assert said["tolerance"] == {"atol": 0.5, "rtol": 0.25}
    assert said["file"] == {"name": "a.b.pth", "bytes": out.stat().st_size}
    assert said["tensors"] == {name: entry(array) for name, array in arrays.items()}
    assert said["probe"] == {"seed": 3}
    assert verify(path, out)


@pytest.mark.parametrize(
    "change",
    [
        {"certificate": 2}, {"certificate": "1"}, {"model": 3}, {"source": None}, {"target": []}, {"verdict": True},
        {"tensors": []}, {"tensors": {"x": 3}}, {"tensors": {"x": {}}}, {"tensors": {"x": ENTRY | {"dtype": "f4"}}},
        {"tensors": {"x": ENTRY | {"dtype": 3}}}, {"tensors": {"x": ENTRY | {"shape": [-1]}}},
        {"tensors": {"x": ENTRY | {"shape": [True]}}}, {"tensors": {"x": ENTRY | {"shape": [1.0]}}},
        {"tensors": {"x": ENTRY | {"shape": 3}}}, {"tensors": {"x": ENTRY | {"digest": 3}}},
    ],
)  # fmt: skip
def test_what_is_no_certificate_of_ours(tmp_path, change):
    path = tmp_path / "a"
    path.write_text(json.dumps(SAID | {"tensors": {"x": ENTRY}}))
    assert read_certificate(path).tensors["x"] == (TensorSpec("x", (2, 3), "float32"), "blake3:00")
    path.write_text(json.dumps(SAID | {"tensors": {"x": ENTRY}} | change))
    with pytest.raises(CheckpointError, match="expected a certificate that a port wrote, in JSON; found .* Try: "):
        read_certificate(path)


def no_certificate(path):
    with pytest.raises(CheckpointError, match="expected a certificate that a port wrote, in JSON; found") as raised:
        read_certificate(path)
    assert str(raised.value).isprintable()
    return str(raised.value)


@pytest.mark.parametrize("extension", [".pth", ".npz", ".safetensors", ".pdparams"])
def test_a_weight_file_in_the_place_of_a_certificate(tmp_path, extension):
    path = tmp_path / f"a{extension}"
    write(path, {"x": np.arange(100, dtype="f4")})
    text = no_certificate(path)
    assert f"found a binary file, no JSON: it starts with {path.read_bytes()[:8].hex(' ')}. " in text
    assert text.endswith("Try: FILE.xframe.json.")
    certify(tmp_path / f"a{extension}.xframe.json", {})
    assert no_certificate(path).endswith(f"Try: xframe verify {path}.xframe.json {path}.")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\xff\xfe{\0}\0", "a binary file, no JSON: it starts with ff fe 7b 00 7d 00"),
        (b"\x80", "it starts with 80"),
        (b"", "no JSON (Expecting value"), (b"{", "no JSON (Expecting"), (b"\x00" * 9, "no JSON (Expecting"),
        (b'{"certificate": 1}', "another JSON file"), (b"9" * 5000, "no JSON (Exceeds the limit"),
        (b"[" * 100_000, "no JSON (maximum recursion"),
    ],
)  # fmt: skip
def test_what_is_no_json_is_said_to_be_none(tmp_path, content, found):
    (tmp_path / "a").write_bytes(content)
    assert found in no_certificate(tmp_path / "a")


def test_what_is_no_file_or_too_large(tmp_path):
    assert "No such file" in no_certificate(tmp_path / "a")
    assert "Is a directory" in no_certificate(tmp_path)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**28 + 1)
    assert "over 256 MB" in no_certificate(tmp_path / "large")


def test_the_command_says_it_and_ends_with_2(tmp_path):
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps({"x": np.ones(3)}, protocol=4))
    command = [sys.executable, "-m", "xframe", "verify", "a.pdparams", "a.pdparams"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "xframe: a.pdparams: expected a certificate that a port wrote, in JSON; found a binary"
    )
    assert "codec" not in done.stderr


def weights_h5(path, arrays):
    with h5py.File(path, "w") as file:
        for index, array in enumerate(arrays):
            file[f"layers/dense/vars/{index}"] = array
    return path


def keras(path, arrays):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.write(weights_h5(path.with_suffix(".inner"), arrays), "model.weights.h5")
    return path


def legacy_h5(path, arrays):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"dense"]
        names = [f"dense/{index}:0" for index in range(len(arrays))]
        file.create_group("dense").attrs["weight_names"] = [name.encode() for name in names]
        for name, array in zip(names, arrays, strict=True):
            file[f"dense/{name}"] = array
    return path


@pytest.fixture
def in_this_process(monkeypatch, tmp_path):
    """HDF5 is parsed here: the files are sound, and a process for each takes its time."""

    def parsed(window, budget):
        return variables(window, Values(tmp_path / "values", budget))

    monkeypatch.setattr("xframe.checkpoints.keras.process.parsed", parsed)


ONE, TWO, THREE = (np.full(3, value, "f4") for value in (1, 2, 3))


@pytest.mark.parametrize(
    ("build", "form"), [(weights_h5, "weights.h5"), (keras, "keras"), (legacy_h5, "h5")]
)  # fmt: skip
@pytest.mark.parametrize(
    ("held", "problems"),
    [
        ([ONE, ONE, TWO], []),
        ([TWO, ONE, ONE], []),
        ([ONE, TWO], ["digest"]),
        ([ONE, TWO, TWO], ["digest", "unused"]),
        ([ONE, ONE, TWO, THREE], ["unused"]),
        ([ONE, ONE, ONE, TWO], ["unused"]),
        ([ONE, ONE, THREE], ["digest", "unused"]),
    ],
)
def test_files_with_names_of_their_own_are_held_to_contents_as_often_as_proven(
    tmp_path, in_this_process, build, form, held, problems
):
    certificate = certify(tmp_path / "a.json", {"x": ONE, "y": ONE, "z": TWO})
    path = build(tmp_path / "a", held)
    assert checkpoints.read(path).format == form
    found = verify(certificate, path)
    assert [problem.kind for problem in found.problems] == problems
    assert (bool(found), found.by_name, found.exit_code) == (not problems, False, 1 if problems else 0)
    assert found.to_json()["verdict"] == ("different" if problems else "unchanged")


def test_other_values_under_one_name_are_told_apart_from_another_shape_and_dtype(tmp_path):
    whole = np.arange(6, dtype="f4").reshape(2, 3)
    certificate = certify(tmp_path / "a.json", {"x": whole})
    for array, kind, detail in (
        (whole, None, ""),
        (whole.T, "shape", "[2, 3], the file has [3, 2]"),
        (whole.reshape(3, 2), "shape", "[2, 3], the file has [3, 2]"),
        (whole.view("i4"), "dtype", "proven as float32, the file has int32"),
        (whole + 1, "digest", "not those that were proven"),
    ):
        write(tmp_path / "a.npz", {"x": np.ascontiguousarray(array)})
        problems = verify(certificate, tmp_path / "a.npz").problems
        assert [problem.kind for problem in problems] == ([kind] if kind else [])
        assert all(detail in problem.detail for problem in problems)


def test_tensors_that_are_missing_or_more_are_named(tmp_path):
    certificate = certify(tmp_path / "a.json", {"x": ONE, "y": TWO})
    write(tmp_path / "a.npz", {"x": ONE, "z": TWO})
    problems = verify(certificate, tmp_path / "a.npz").problems
    assert [(problem.kind, problem.tensor) for problem in problems] == [("missing", "y"), ("unused", "z")]


class Told(Progress):
    def __init__(self):
        self.steps, self.expected, self.advanced = [], 0, 0

    def __call__(self, step):
        self.steps.append(step)

    def expect(self, nbytes):
        self.expected += nbytes

    def advance(self, nbytes):
        self.advanced += nbytes


@pytest.mark.parametrize("build", [weights_h5, lambda path, arrays: write(path, dict(zip("xyz", arrays, strict=True)))])
def test_every_byte_is_told(tmp_path, in_this_process, build):
    path, told = tmp_path / "a.npz", Told()
    build(path, [ONE, ONE, TWO])
    assert verify(certify(tmp_path / "a.json", {"x": ONE, "y": ONE, "z": TWO}), path, progress=told)
    assert (told.steps, told.expected, told.advanced) == (["reading every tensor"], 36, 36)


def test_the_budget_reaches_the_reader(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(1000))
    certificate = certify(tmp_path / "a.json", {"x": np.zeros(1000)})
    assert verify(certificate, tmp_path / "a.npz")
    with pytest.raises(CheckpointError, match="--max-memory"):
        verify(certificate, tmp_path / "a.npz", budget=Budget(100))
