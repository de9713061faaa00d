"""MTCNN as two packages publish it: mtcnn 1.0.0 as arrays for Keras, facenet-pytorch 2.6.0 as PyTorch's files.

Both took their weights from the same trained network, by ways of their own. What xframe makes of one package's file has
to be the other's, bit for bit.
"""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from plans import asked, differences, held_against, planned

from xframe.workflows.convert import convert
from xframe.workflows.diff import DiffOptions, diff

NETS = {"pnet": 13, "rnet": 16, "onet": 21}  # 50 tensors
SOFTMAX = {"pnet": "pnet/conv4-2", "rnet": "rnet/fc5-2", "onet": "onet/fc6-3"}
SIZES = {"pnet": 37, "rnet": 24, "onet": 48}  # pnet takes pictures of any size

# mtcnn ships a pickle of joblib's, packed with LZ4, and xframe executes none: the package reads its own file here, in a
# process of its own, and hands the arrays to its own network, which gives them names.
UNPACK = """
import sys
from pathlib import Path
import numpy as np
from published_nets import mtcnn_keras
from mtcnn.utils.tensorflow import load_weights

folder = Path(sys.argv[1])
for name in sys.argv[2:]:
    model = getattr(mtcnn_keras, name)()
    model.set_weights(load_weights(f"{name}.lz4"))
    model.save_weights(folder / f"{name}.weights.h5")
    np.savez(folder / f"{name}.npz", **{variable.path: variable.numpy() for variable in model.weights})
"""
EXCHANGED = """
[[layers]]
kind  = "prelu"
sizes = { c = 64 }
torch = "prelu2"
keras = "onet/prelu3"

[[layers]]
kind  = "prelu"
sizes = { c = 64 }
torch = "prelu3"
keras = "onet/prelu2"
"""
TURNED = """
[kinds.conv2d_turned]
summary = "a convolution whose kernel lies across"

  [kinds.conv2d_turned.weight]
  torch = { weight = "out in kh kw" }
  keras = { kernel = "kw kh in out" }

  [kinds.conv2d_turned.bias]
  torch = { bias = "out" }
  keras = { bias = "out" }
"""
# The same plan in other words: axes and kinds have other names, and every layer has a row of its own.
OTHERWISE = """
summary = "as a machine might write it"
input   = [3, 24, 24]

[implementations]
torch = { build = "published_nets.mtcnn_torch:rnet" }
keras = { build = "published_nets.mtcnn_keras:rnet" }
""" + "".join(
    f"""
[[layers]]
kind  = "{kind}"
torch = "{torch}"
keras = "rnet/{keras}"
"""
    for kind, torch, keras in [
        ("k4", "conv1", "conv1"), ("k4", "conv2", "conv2"), ("k4", "conv3", "conv3"), ("k2", "dense4", "fc4"),
        ("k2", "dense5_1", "fc5-2"), ("k2", "dense5_2", "fc5-1"), ("k3", "prelu1", "prelu1"),
        ("k3", "prelu2", "prelu2"), ("k3", "prelu3", "prelu3"), ("k1", "prelu4", "prelu4"),
    ]
) + "".join(
    f"""
[kinds.{kind}]
summary = "axes without names"

[kinds.{kind}.a]
torch = {{ weight = "{torch}" }}
keras = {{ {name} = "{keras}" }}
{bias and f'''
[kinds.{kind}.b]
torch = {{ bias = "b0" }}
keras = {{ bias = "b0" }}
'''}"""
    for kind, torch, name, keras, bias in [
        ("k4", "a3 a2 a0 a1", "kernel", "a0 a1 a2 a3", True), ("k2", "a1 a0", "kernel", "a0 a1", True),
        ("k3", "a2", "alpha", "1 1 a2", ""), ("k1", "a0", "alpha", "a0", ""),
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def pool(workers_with):
    with workers_with("mtcnn==1.0.0", "facenet-pytorch==2.6.0", "joblib==1.6.0", "lz4==4.4.5") as pool:
        yield pool


@pytest.fixture(scope="module")
def published(pool, package, compute, tmp_path_factory):
    """Each network's weights by both packages: ``.torch`` is the file itself; ``.keras`` and ``.h5`` are what its own
    Keras model says and saves."""
    theirs = package("facenet-pytorch==2.6.0") / "facenet_pytorch" / "data"
    folder = tmp_path_factory.mktemp("mtcnn")
    compute(UNPACK, folder, *NETS)
    return {
        name: SimpleNamespace(
            torch=theirs / f"{name}.pt", keras=folder / f"{name}.npz", h5=folder / f"{name}.weights.h5"
        )
        for name in NETS
    }


@pytest.fixture
def pictures(tmp_path):
    """Two pictures of noise, scaled as both packages scale theirs: (N, 3, H, W)."""

    def of(size):
        pixels = np.random.default_rng(0).integers(0, 256, (2, 3, size, size))
        path = tmp_path / "pictures.npy"
        np.save(path, ((pixels - 127.5) * 0.0078125).astype(np.float32))
        return path

    return of


def test_there_are_fifty(published, digests):
    assert sum(NETS.values()) == 50
    for name, count in NETS.items():
        assert len(digests(published[name].torch)) == len(digests(published[name].keras)) == count


@pytest.mark.parametrize("name", NETS)
def test_every_tensor_is_the_other_s_to_the_last_bit(published, table, digests, tmp_path, name):
    files = published[name]
    for source, target, theirs, other, out in (
        ("torch", "keras", files.torch, files.keras, tmp_path / "out.npz"),
        ("keras", "torch", files.keras, files.torch, tmp_path / "out.pth"),
    ):
        result = convert(str(table(f"mtcnn_{name}")), source, target, theirs, out)
        assert result.plan.counts() == {"moved": NETS[name], "filled": [], "dropped": []}
        assert digests(out) == digests(other)


@pytest.mark.parametrize("name", NETS)
def test_both_packages_compute_the_same_with_their_own_weights(pool, published, table, pictures, name):
    options = DiffOptions(
        source_weights=published[name].torch, target_weights=published[name].h5, input=pictures(SIZES[name]),
        set={"size": SIZES[name]} if name == "pnet" else {},
    )  # fmt: skip
    found = diff(str(table(f"mtcnn_{name}")), "torch", "keras", options, pool=pool)
    assert found.tensors == ()
    assert found.outputs
    assert found.outputs.max_rel <= 1e-9
    # mtcnn's softmax is within the layer, facenet-pytorch's behind it: the layers are looked at before it
    assert SOFTMAX[name] in {call.target_name for call in found.layers.calls}
    assert found.verdict == "equivalent"


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(("source", "target", "file"), [("torch", "keras", "torch"), ("keras", "torch", "h5")])
def test_a_port_of_one_s_weights_into_the_other_s_network(port, published, table, digests, name, source, target, file):
    files = published[name]
    found = port(table(f"mtcnn_{name}"), source, target, weights=getattr(files, file), strict_proof=True)
    assert found.verdict == "equivalent", found
    assert found.proof.float64.max_rel <= 1e-9
    assert digests(found.out) == digests(getattr(files, target))
    assert json.loads(found.certificate.read_text())["verdict"] == "equivalent"


@pytest.fixture
def spoilt(rewritten):
    """Wrong tables that fit: everything has the right shape. With each, the tensors that it puts wrong."""
    rows = 'for   = { n = "1..4" }\nsizes = { c = "width" }', 'for   = { n = ["1", "4"] }\nsizes = { c = "width" }'
    kernels = 'kind  = "conv2d"\nfor ', 'kind  = "conv2d_turned"\nfor '
    flattened = (
        'kind  = "linear"\nsizes = { in = 1152,',
        'kind  = "linear_after_flatten"\nsizes = { c = 128, h = 3, w = 3,',
    )
    return {
        "exchanged": lambda: (rewritten("mtcnn_onet", rows, more=EXCHANGED), {"prelu2.weight", "prelu3.weight"}),
        "turned": lambda: (
            rewritten("mtcnn_onet", kernels, more=TURNED), {f"conv{n}.weight" for n in range(1, 5)}
        ),
        "flattened": lambda: (rewritten("mtcnn_onet", flattened), {"dense5.weight"}),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "first"), [("exchanged", "onet/prelu2"), ("turned", "onet/conv1"), ("flattened", "onet/fc5")]
)
def test_a_wrong_table_that_fits_is_caught(port, published, table, spoilt, digests, tmp_path, fault, first):
    """By the outputs, at the layer; by the bits, in exactly the tensors that it is about; by the plan."""
    files, (wrong, tensors) = published["onet"], spoilt[fault]()
    found = port(wrong, "keras", "torch", weights=files.keras)
    assert found.verdict == "different"
    assert found.out is None
    assert found.proof.divergence.source_name == first
    convert(str(wrong), "keras", "torch", files.keras, tmp_path / "out.pth")
    ours, theirs = digests(tmp_path / "out.pth"), digests(files.torch)
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} == tensors
    plans = [planned(path, "keras", "torch", files.keras) for path in (table("mtcnn_onet"), wrong)]
    assert {line.partition(":")[0] for line in differences(*plans)} == tensors


def test_a_plan_in_other_words_is_the_same_plan(published, table, tmp_path):
    """Which is how an inferred table is held against the one written by hand."""
    path = tmp_path / "otherwise.toml"
    path.write_text(OTHERWISE)
    files = {"torch": published["rnet"].torch, "keras": published["rnet"].keras}
    assert held_against(table("mtcnn_rnet"), path, files) == []
    crossed = OTHERWISE.replace("fc5-2", "fc5-x").replace("fc5-1", "fc5-2").replace("fc5-x", "fc5-1")
    path.write_text(crossed)
    named = [line.partition(":")[0] for line in held_against(table("mtcnn_rnet"), path, files)]
    assert len(named) == 8
    assert {"dense5_1.weight", "dense5_2.bias", "rnet/fc5-1/kernel", "rnet/fc5-2/bias"} <= {*named}


def test_what_an_inference_is_told(table):
    told = ["torch=published_nets.mtcnn_torch:rnet", "keras=published_nets.mtcnn_keras:rnet", "--input", "1x3x24x24"]
    assert asked(table("mtcnn_rnet")) == told
