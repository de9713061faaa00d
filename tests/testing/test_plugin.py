"""The plugin as pytest runs it: ids, options, what a failure shows, what is loaded when."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from planted import Sheet

from xframe.testing.asked import Asked
from xframe.testing.cases import cases
from xframe.testing.fixtures import worker_settings

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
LINE = "import xframe\ntest_small = xframe.equivalence('small.toml')\n"
GOLDEN = "import xframe\ntest_small = xframe.golden('small.toml', record='paddle')\n"


def wrong(pytester, **knobs):
    Sheet("paddle", "torch", knobs).write(pytester.path / "small.toml")


# ── the line ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_test_a_pair_and_no_internals_in_a_failure(run, pytester):
    wrong(pytester, epsilon=1e-3)
    result = run("-v", test_mine=LINE)
    result.assert_outcomes(failed=2)
    text = result.stdout.str()
    assert "test_mine.py::test_small[[]paddle-torch[]] FAILED" not in text
    assert "test_mine.py::test_small[paddle-torch] FAILED" in text
    assert "small  paddle → torch  different" in text
    assert "parts at  bn1 (batch_norm): relative" in text
    assert "cause     epsilon: epsilon is 1e-05 in paddle's bn1 and 0.001 in torch's bn1." in text
    assert "try       give bn1 in torch epsilon 1e-05" in text
    assert "xframe/testing" not in text
    assert "Traceback" not in text
    assert "def test" not in text


def test_refusals_are_one_text(run, pytester):
    sheet = Sheet("paddle", "torch")
    del sheet.rows["square"]
    sheet.write(pytester.path / "small.toml")
    result = run("-q", "-k", "paddle-torch", test_mine=LINE)
    result.assert_outcomes(failed=1, deselected=1)
    text = result.stdout.str()
    assert "square.weight" in text
    assert "xframe/" not in text.replace("xframe/mappings", "")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("equivalence('nowhere.toml')", "There is no table at"),
        ("equivalence('resnet81')", "Did you mean"),
        ("equivalence('small.toml', columns=['paddle', 'pytorch'])", "no implementation 'pytorch'"),
        ("equivalence('small.toml', pairs=['paddle-torch'])", "pairs are (source, target)"),
        ("equivalence('small.toml', pairs=[], columns=[])", "takes pairs or columns, not both"),
        ("equivalence('small.toml', format='.onnx')", ".onnx"),
        ("equivalence('small.toml', optimizer='adamm')", "adamm"),
        ("golden('small.toml', record='keras')", "no implementation 'keras'"),
        ("equivalence('small.toml', set={'colour': 1})", "colour"),
    ],
)
def test_lines_that_ask_for_what_is_not(pytester, line, says, monkeypatch):
    """At collection, in a sentence. In this process: nothing of a framework is needed."""
    Sheet("paddle", "torch").write(pytester.path / "small.toml")
    pytester.makepyfile(f"import xframe\ntest_small = xframe.{line}\n")
    result = pytester.runpytest_inprocess("-p", "xframe.pytest_plugin")
    result.assert_outcomes(errors=1)
    text = result.stdout.str()
    assert says in text
    assert "Traceback" not in text
    assert "xframe/testing" not in text


def test_a_line_in_a_class(pytester):
    pytester.makepyfile("import xframe\nclass TestMine:\n    test_a = xframe.equivalence('lenet5')\n")
    result = pytester.runpytest_inprocess("-p", "xframe.pytest_plugin")
    result.assert_outcomes(errors=1)
    assert "stands outside of classes" in result.stdout.str()


def test_pairs_marks_and_the_place_of_a_test(pytester):
    pytester.makeini("[pytest]\nmarkers = slow: x")
    pytester.makepyfile(
        """
        import pytest
        import xframe

        test_some = xframe.equivalence("resnet18", pairs=[
            ("torch", "keras"), pytest.param("paddle/custom", "torch", marks=pytest.mark.slow)])
        test_all = pytest.mark.slow(xframe.equivalence("lenet5", columns=["paddle", "torch"]))
        test_golden = xframe.golden("mnist_cnn")
        """
    )
    result = pytester.runpytest_inprocess("-p", "xframe.pytest_plugin", "--collect-only", "-q")
    ids = [line.partition("::")[2] for line in result.outlines if "::" in line]
    assert ids == [
        "test_some[torch-keras]", "test_some[paddle/custom-torch]", "test_all[paddle-torch]", "test_all[torch-paddle]",
        "test_golden[paddle]", "test_golden[torch]", "test_golden[keras]",
    ]  # fmt: skip
    result = pytester.runpytest_inprocess("-p", "xframe.pytest_plugin", "--collect-only", "-q", "-m", "slow")
    assert "3/7 tests collected (4 deselected)" in result.stdout.str()
    items, _ = pytester.inline_genitems("-p", "xframe.pytest_plugin")
    assert [item.reportinfo()[:2] for item in items][:1] == [(items[0].path, 3)]


# ── options ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def made(line, tmp_path, **asked):
    """The cases of a line of lenet5_maxavg."""
    return cases(line.xframe_line, tmp_path, Asked(**asked))


def test_what_a_line_says_and_what_the_command_line_says(tmp_path):
    import xframe

    line = xframe.equivalence("lenet5_maxavg", rtol=1e-6, train_steps=2, pairs=[("paddle", "torch")], seed=3)
    (usual,) = made(line, tmp_path)
    assert (usual.how.tolerance.rtol, usual.how.tolerance.atol, usual.how.seed) == (1e-6, 0.0, 3)
    assert (usual.how.train_steps, usual.how.gradients, usual.how.onnx) == (2, False, False)
    assert usual.frameworks == {"paddle", "torch"}
    (asked,) = made(line, tmp_path, rtol=1e-3, atol=1e-4, train_steps=0, gradients=True, onnx=True)
    assert (asked.how.tolerance.rtol, asked.how.tolerance.atol) == (1e-3, 1e-4)
    assert (asked.how.train_steps, asked.how.gradients, asked.how.onnx) == (0, True, True)
    assert asked.frameworks == {"paddle", "torch", "onnx"}
    assert (usual.group, asked.group) == ("xframe-paddle-torch", "xframe-onnx-paddle-torch")


def test_gradients_and_training_are_compared(failure, small):
    """A kernel that is not trained: no output shows it."""
    import xframe

    frozen = xframe.equivalence(small(Sheet("paddle", "torch", {"frozen": True})), pairs=[("paddle", "torch")])
    assert not failure(frozen, "paddle-torch")
    assert "frozen" in failure(frozen, "paddle-torch", gradients=True)
    assert "frozen" in failure(frozen, "paddle-torch", train_steps=2)


def test_exports_are_compared(failure, small, pool):
    import xframe

    line = xframe.equivalence(small(Sheet("torch", "keras")), pairs=[("torch", "torch")])
    assert not failure(line, "torch-torch", onnx=True)
    assert "onnx" in pool.pids


def test_tolerance(failure, small):
    import xframe

    line = xframe.equivalence(small(Sheet("paddle", "torch", {"epsilon": 1.001e-5})), pairs=[("paddle", "torch")])
    assert "epsilon" in failure(line, "paddle-torch")
    assert not failure(line, "paddle-torch", rtol=1e-5)
    golden = xframe.golden(small(Sheet("paddle", "torch", {"epsilon": 1.001e-5})), rtol=1e-5)
    assert not failure(golden, "paddle", record="")
    assert not failure(golden, "torch")
    assert "epsilon" in failure(golden, "torch", rtol=1e-9)


def test_round_trip_sees_a_bit(failure, small, monkeypatch):
    """The way back holds other bits: a plan that forgets one of them."""
    import xframe
    from xframe.testing import pairs

    line = xframe.equivalence(small(Sheet("paddle", "torch")), round_trip=True, format=".safetensors")
    assert not failure(line, "paddle-torch")
    real = pairs._digests
    monkeypatch.setattr(
        pairs, "_digests", lambda path: real(path) | ({"bn1.weight": ((), "", "")} if "third" in path.name else {})
    )
    assert "1 of " in failure(line, "paddle-torch")
    assert "such as bn1.weight" in failure(line, "paddle-torch")


def test_options_have_a_group_and_bounds(pytester):
    text = pytester.runpytest_inprocess("-p", "xframe.pytest_plugin", "--help").stdout.str()
    group = text[text.index("xframe: the same network in several frameworks") :]
    options = ("record", "rtol", "atol", "gradients", "train-steps", "onnx", "missing", "only")
    assert all(f"--xframe-{name}" in group for name in options)
    for word in ("rtol=-1", "train-steps=x", "missing=perhaps", "only=pytorch"):
        result = pytester.runpytest_inprocess("-p", "xframe.pytest_plugin", f"--xframe-{word}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
    result = pytester.runpytest_inprocess("-p", "xframe.pytest_plugin", "--xframe-record=padle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--xframe-record: expected a framework (*torch); found 'padle'*"])


def test_record_takes_no_file_for_a_column(run, pytester):
    """Options and files in any order; only = gives a column. What was recorded is said, and so is that nothing was."""
    result = run("--xframe-record", "test_mine.py", "-q", test_mine=GOLDEN, test_other="def test_other():\n    pass\n")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["xframe: recorded small.paddle.npz  (*kB: 8 layer calls of paddle (paddle 3.3.1))"])
    assert (pytester.path / "goldens" / "small.paddle.npz").is_file()
    result = run("--xframe-record=torch", "test_other.py", "-q")
    result.stdout.fnmatch_lines(["xframe: nothing was recorded"])


# ── fixtures ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_fixtures_for_tests_of_ones_own(run, pytester):
    """Workers are shared; one that dies is started anew; what was found is shown where a test fails."""
    wrong(pytester, epsilon=1e-3)
    own = """
        import os, signal
        import pytest
        from xframe import WorkerError

        PIDS = {}

        def test_port(xframe_port, xframe_pool, tmp_path):
            result = xframe_port("small.toml", "paddle", "torch", rtol=1.0)
            assert result.verdict == "equivalent"
            assert result.out == tmp_path / "ported.npz"
            PIDS.update(xframe_pool.pids)

        def test_diff_that_fails(xframe_diff, xframe_pool):
            assert xframe_pool.pids == PIDS
            assert xframe_diff("small.toml", "paddle", "torch")

        def test_death(xframe_diff, xframe_pool):
            os.kill(PIDS["torch"], signal.SIGKILL)
            with pytest.raises(WorkerError):
                xframe_diff("small.toml", "paddle", "torch")

        def test_after_it(xframe_diff, xframe_pool):
            assert xframe_diff("small.toml", "torch", "torch")
            assert xframe_pool.pids["torch"] != PIDS["torch"]
            assert xframe_pool.pids["paddle"] == PIDS["paddle"]
    """
    result = run("-q", test_own=own.replace("from xframe import WorkerError", "from xframe.errors import WorkerError"))
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*- xframe: small paddle → torch -*", "parts at*bn1 (batch_norm)*"])


def test_workers_import_what_tests_do(tmp_path, monkeypatch):
    """Folders below the root, and nothing that is installed: that may be another interpreter's."""
    monkeypatch.syspath_prepend(tmp_path / "src")
    assert str(tmp_path / "src") in worker_settings(tmp_path).paths
    assert not [path for path in worker_settings(Path("/")).paths if Path(path).is_relative_to(sys.prefix)]


# ── what is loaded, and by whom ───────────────────────────────────────────────────────────────────────────────────────


def test_whoever_does_not_use_it_pays_nothing(run):
    """No numpy, no workers, nothing of xframe but the plugin: in a session whose tests do not ask for it."""
    own = """
        import sys

        def test_nothing():
            found = {name for name in sys.modules if name.partition(".")[0] in ("xframe", "numpy", "execnet", "rich")}
            assert found == {"xframe", "xframe._version", "xframe.pytest_plugin"}
    """
    run("-q", "-p", "no:xdist", "-p", "no:xdist.looponfail", test_own=own).assert_outcomes(passed=1)


@pytest.mark.parametrize("first", ["entry point", "-p", "conftest"])
def test_it_is_registered_once(pytester, monkeypatch, first):
    """As the entry point `xframe`, by -p, from a conftest, and by all of them."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    site = pytester.mkdir("site")
    info = site / "pretended-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pretended\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pytest11]\nxframe = xframe.pytest_plugin\n")
    if first != "-p":
        monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    pytester.makeconftest('pytest_plugins = ["xframe.pytest_plugin"]' if first == "conftest" else "")
    pytester.makepyfile(
        """
        def test_once(pytestconfig):
            names = ["xframe", "xframe.pytest_plugin"]
            found = [pytestconfig.pluginmanager.get_plugin(name) for name in names]
            assert len([plugin for plugin in found if plugin is not None]) == 1
            assert pytestconfig.getoption("--xframe-missing") == "fail"
        """
    )
    for words in ([], ["-p", "xframe.pytest_plugin"]) if first != "-p" else (["-p", "xframe.pytest_plugin"],):
        result = pytester.runpytest_subprocess(*words, "-q", timeout=60)
        result.assert_outcomes(passed=1)


def test_xdist(run, pytester):
    """Every process has workers of its own, and each test says which it belongs with."""
    own = """
        import xframe

        def pytest_collection_finish(session):
            groups = {item.callspec.id: item.get_closest_marker("xdist_group").args[0] for item in session.items}
            assert set(groups.values()) == {"xframe-paddle-torch"}, groups
    """
    result = run("-q", "-n", "2", "--xframe-missing=skip", test_mine=LINE, conftest=own)
    result.assert_outcomes(passed=2)
    pytester.makeconftest("")
    (pytester.path / "blocked.toml").write_text((pytester.path / "small.toml").read_text())
    environment = {"XFRAME_PYTHON_TORCH": str(pytester.path / "no" / "python")}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--xframe-missing=skip"]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert "xframe: 2 skipped, torch is missing" in done.stdout, json.dumps(done.stdout)
