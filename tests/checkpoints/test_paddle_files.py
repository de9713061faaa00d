"""Paddle's own files beside plain state dicts: inference models of both IRs, and every form of paddle.save."""

import json
import shutil

import pytest
from conftest import Exchange, run, told

from xframe import checkpoints
from xframe.errors import CheckpointError

FORMS = [
    f"{form}{protocol}.pdparams"
    for form in ("single", "list", "tuple", "deep", "uint16", "master", "float8", "chunked")
    for protocol in (2, 3, 4)
]
IN_PIR, IN_OLD_IR = "1", "0"


@pytest.fixture(scope="session")
def forms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paddle_forms")
    run("paddle", folder, "forms")
    return Exchange(None, folder)


def saved_in(ir, factory):
    folder = factory.mktemp(f"paddle_inference_{ir}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAGS_enable_pir_api", ir)
        run("paddle", folder, "inference")
    return folder


@pytest.fixture(scope="session")
def pir(tmp_path_factory):
    return saved_in(IN_PIR, tmp_path_factory)


@pytest.fixture(scope="session")
def old_ir(tmp_path_factory):
    return saved_in(IN_OLD_IR, tmp_path_factory)


def said(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


@pytest.mark.parametrize("name", FORMS)
def test_what_paddle_save_writes_is_read_as_paddle_load_reads_it(forms, name):
    path = forms.theirs / name
    assert told(checkpoints.read(path)) == forms.said(path)


def test_names_that_no_one_gave_are_noted(forms):
    assert checkpoints.read(forms.theirs / "list4.pdparams").notes == (
        "a list of tensors, named by their places in it",
    )
    (note,) = checkpoints.read(forms.theirs / "single4.pdparams").notes
    assert note.endswith("by Paddle itself")


def test_chunks_are_joined_when_asked_for(forms):
    tensors = checkpoints.read(forms.theirs / "chunked3.pdparams").tensors
    assert {name for name, tensor in tensors.items() if tensor.extent is None} == {"wide", "half", "double"}


@pytest.mark.parametrize(
    ("name", "found"), [("dense", "one array without a name"), ("binary", "use_binary_format=True")]
)
def test_what_has_no_name_is_refused(forms, name, found):
    with pytest.raises(CheckpointError, match=found):
        checkpoints.read(forms.theirs / f"{name}.pdparams")


@pytest.mark.parametrize("asked", ["net.pdiparams", "net.json"])
def test_pir_names_are_the_program_s(pir, asked):
    checkpoint = checkpoints.read(pir / asked)
    assert checkpoint.format == "paddle-inference"
    assert told(checkpoint) == said(pir, "net.by_program")
    assert checkpoint.notes == ("named as in the program: no file here has the state dict's names",)
    assert all(tensor.extent.path == pir / "net.pdiparams" for tensor in checkpoint.tensors.values())


@pytest.mark.parametrize("asked", ["net.pdiparams", "net.pdmodel"])
def test_the_old_ir_comes_with_the_state_dict_s_names(old_ir, asked):
    checkpoint = checkpoints.read(old_ir / asked)
    assert told(checkpoint) == said(old_ir, "net.by_state_dict")
    assert checkpoint.notes == ("named as in the state dict, by net.pdiparams.info",)


def test_without_the_table_of_names_the_program_s_are_taken(old_ir, tmp_path):
    for name in ("net.pdiparams", "net.pdmodel"):
        shutil.copy(old_ir / name, tmp_path)
    assert told(checkpoints.read(tmp_path / "net.pdiparams")) == said(old_ir, "net.by_program")


@pytest.mark.parametrize("ir", ["pir", "old_ir"])
def test_static_programs(request, ir):
    folder = request.getfixturevalue(ir)
    state = said(folder, "static.state")
    for name in ("static", "whole", "readable", "frozen"):
        if ir == "pir" or name in {"static", "whole"}:
            found = told(checkpoints.read(folder / f"{name}.pdiparams"))
            assert found == {key: state[key] for key in found}
            assert (len(found) > 2) == (name == "whole")


def test_programs_of_both_irs_beside_the_weights_must_agree(pir, old_ir, tmp_path):
    for path in (pir / "net.json", old_ir / "net.pdmodel", old_ir / "net.pdiparams"):
        shutil.copy(path, tmp_path)
    agreed = said(pir, "net.by_program") == said(old_ir, "net.by_program")
    if agreed:
        assert told(checkpoints.read(tmp_path / "net.pdiparams")) == said(old_ir, "net.by_program")
    shutil.copy(old_ir / "static.pdmodel", tmp_path / "net.pdmodel")
    with pytest.raises(CheckpointError, match="two that differ: net.json and net.pdmodel"):
        checkpoints.read(tmp_path / "net.pdiparams")


def test_a_program_alone_leads_to_the_pickle_beside_it(pir):
    with pytest.raises(CheckpointError, match="training.pdparams"):
        checkpoints.read(pir / "training.json")
