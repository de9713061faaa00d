"""`infer` on networks that others published: what its tables move is what the ones written by hand do.

Nothing is told but the factories and the shape of an input. Weights that go through the inferred tables are the other
package's own to the last bit, as test_mtcnn.py and test_lpips.py show of the tables written by hand.
"""

import pytest
from plans import held_against
from test_lpips import NETS as DISTANCES
from test_lpips import published as published_distances
from test_mtcnn import NETS as DETECTORS
from test_mtcnn import published as published_detectors

from xframe.mapping import load_table
from xframe.workflows.convert import convert
from xframe.workflows.infer import InferOptions, infer

__all__ = ["published_detectors", "published_distances"]


@pytest.fixture(scope="module")
def pool(workers_with):
    wanted = ("mtcnn==1.0.0", "facenet-pytorch==2.6.0", "joblib==1.6.0", "lz4==4.4.5", "lpips==0.1.4")
    with workers_with(*wanted, "paddle-lpips==0.1.2.0", "torchvision==0.28.0") as pool:
        yield pool


@pytest.fixture
def inferred(pool, table, tmp_path):
    """By the name of a table written by hand, what `infer` finds without it."""

    def of(name):
        stated = load_table(str(table(name)))
        sides = [f"{column}={end.build.said}" for column, end in stated.implementations.items()]
        return infer(*sides, InferOptions(input=stated.input, out=tmp_path / f"{name}.toml"), pool=pool)

    return of


@pytest.mark.parametrize("name", DETECTORS)
def test_detectors(inferred, published_detectors, table, digests, tmp_path, name):
    found, files = inferred(f"mtcnn_{name}"), published_detectors[name]
    assert held_against(table(f"mtcnn_{name}"), found.out, {"torch": files.torch, "keras": files.keras}) == []
    assert (found.source_alone, found.target_alone) == ((), ())
    assert found.doubtful == ()
    out = tmp_path / "ported.pth"
    moved = convert(str(found.out), "keras", "torch", files.keras, out).plan.counts()["moved"]
    assert moved == DETECTORS[name]
    assert digests(out) == digests(files.torch)


@pytest.mark.parametrize("version", ["0.0", "0.1"])
@pytest.mark.parametrize("name", DISTANCES)
def test_distances(inferred, published_distances, table, digests, tmp_path, name, version):
    found = inferred(f"lpips_{name}")
    files = {column: published_distances(column, name, version) for column in ("torch", "paddle")}
    assert found.verdict == "inferred"
    assert held_against(table(f"lpips_{name}"), found.out, files) == []
    for source, target, ending in (("torch", "paddle", ".pdparams"), ("paddle", "torch", ".pth")):
        out = tmp_path / f"ported{ending}"
        assert convert(str(found.out), source, target, files[source], out).plan.counts()["moved"] == DISTANCES[name]
        assert digests(out) == digests(files[target])


@pytest.mark.parametrize("name", ["alex", "squeeze"])
def test_whole_distances(inferred, table, name):
    """With the trunk, and every linear layer under two names."""
    found, stated = inferred(f"lpips_{name}_whole"), load_table(str(table(f"lpips_{name}_whole")))
    assert found.verdict == "inferred"
    pairs = {frozenset(layer.names.items()) for layer in load_table(str(found.out)).layers}
    assert pairs == {frozenset(layer.names.items()) for layer in stated.layers}
