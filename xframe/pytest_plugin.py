"""xframe in pytest: options, fixtures, and the tests behind ``xframe.equivalence`` and ``xframe.golden``.

Whoever has xframe installed loads this with pytest. It imports nothing of xframe, and no numpy, until a test asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xframe.testing.asked import Asked
    from xframe.testing.fixtures import Workflows
    from xframe.workers import Pool

_NAMES = ("xframe", "xframe.pytest_plugin")  # the entry point's, and that of -p: whichever is first stands for both
_RECORD = "--xframe-record"
_HELP = {
    "record": "record the goldens that tests are held to, beside their files; =COLUMN, those of that column alone",
    "rtol": "float64: |a−b| ≤ atol + rtol·max|a|; 1e-9 unless a test says otherwise",
    "missing": "what a test does whose framework is not installed (default: fail)",
    "only": "of xframe's tests, those that need no other frameworks than these, such as torch or torch,keras",
}
_POOL = pytest.StashKey["Pool"]()
_RESULTS = pytest.StashKey[list[Any]]()
_MISSING = "xframe_missing"  # of a report: the framework for want of which the test was skipped


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """The options, in a group of their own."""
    for name in _NAMES:
        if not pluginmanager.has_plugin(name):
            pluginmanager.set_blocked(name)
    group = parser.getgroup("xframe", "xframe: the same network in several frameworks")
    group.addoption(_RECORD, metavar="COLUMN", nargs="?", const="", help=_HELP["record"])
    group.addoption("--xframe-rtol", metavar="R", type=_figure, help=_HELP["rtol"])
    group.addoption("--xframe-atol", metavar="A", type=_figure, help="0 unless a test says otherwise")
    group.addoption("--xframe-gradients", action="store_true", help="compare gradients too")
    group.addoption("--xframe-train-steps", metavar="K", type=_count, help="train both sides of every pair so long")
    group.addoption("--xframe-onnx", action="store_true", help="hold the ONNX exports of every pair to their models")
    group.addoption("--xframe-missing", choices=("fail", "skip"), default="fail", help=_HELP["missing"])
    group.addoption("--xframe-only", metavar="FRAMEWORKS", type=_frameworks, help=_HELP["only"])


def _figure(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError(text)
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def _frameworks(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(","))


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(args: list[str]) -> None:
    """A bare --xframe-record takes nothing: what stands behind it is a file to be tested, not a column."""
    args[:] = [f"{_RECORD}=" if word == _RECORD else word for word in args]


def pytest_configure(config: pytest.Config) -> None:
    """Raises UsageError for an option that names no framework."""
    record, only = config.option.xframe_record, config.option.xframe_only
    if record or only:
        from xframe.workers.settings import FRAMEWORKS

        named = {_RECORD: [record.partition("/")[0]] if record else [], "--xframe-only": sorted(only or ())}
        for option, names in named.items():
            for name in names:
                if name not in FRAMEWORKS:
                    known = ", ".join(FRAMEWORKS)
                    raise pytest.UsageError(f"{option}: expected a framework ({known}); found '{name}'.")


def _asked(config: pytest.Config) -> Asked:
    from xframe.testing.asked import Asked

    names = ("record", "rtol", "atol", "gradients", "train_steps", "onnx")
    return Asked(**{name: config.getoption(f"xframe_{name}") for name in names})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each pair or column of a line."""
    line = getattr(metafunc.function, "xframe_line", None)
    if line is None:
        return
    from xframe.errors import XframeError
    from xframe.testing.cases import cases

    if metafunc.cls is not None:
        name = metafunc.function.__name__
        raise pytest.Collector.CollectError(
            f"{metafunc.cls.__name__}.{name}: a line of xframe stands outside of classes."
        )
    try:
        found = cases(line, metafunc.definition.path.parent, _asked(metafunc.config))
    except XframeError as error:
        raise pytest.Collector.CollectError(str(error)) from None
    metafunc.parametrize("xframe_case", [pytest.param(case, id=case.id, marks=case.marks) for case in found])


def _case(item: pytest.Item) -> Any:
    """The case of a test that is made of a line, else None."""
    return item.callspec.params.get("xframe_case") if hasattr(item, "callspec") else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --xframe-only, tests of other frameworks go. With xdist, those of the same ones run in one process."""
    only, xdist = config.option.xframe_only, config.pluginmanager.has_plugin("xdist")
    kept: list[pytest.Item] = []
    gone: list[pytest.Item] = []
    for item in items:
        case = _case(item)
        (kept if case is None or only is None or case.frameworks <= only else gone).append(item)
        if case is not None and xdist and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(case.group))
    if gone:
        config.hook.pytest_deselected(items=gone)
        items[:] = kept


@pytest.fixture(scope="session")
def xframe_pool(pytestconfig: pytest.Config) -> Iterator[Pool]:
    """The session's workers. None starts before a test needs its framework; all stay until the session ends.

    With xdist, each process has its own.
    """
    from xframe.errors import XframeError
    from xframe.testing.fixtures import worker_settings
    from xframe.workers import Pool

    try:
        workers = Pool(worker_settings(pytestconfig.rootpath))
    except XframeError as error:
        pytest.fail(str(error), pytrace=False)
    with workers as pool:
        pytestconfig.stash[_POOL] = pool
        yield pool


@pytest.fixture
def _xframe_workflows(request: pytest.FixtureRequest, xframe_pool: Pool) -> Workflows:
    from xframe.testing.fixtures import Workflows

    results = request.node.stash.setdefault(_RESULTS, [])
    out = request.getfixturevalue("tmp_path")
    return Workflows(
        pool=xframe_pool, folder=request.path.parent, out=out, asked=_asked(request.config), results=results
    )


@pytest.fixture
def xframe_port(_xframe_workflows: Workflows) -> Callable[..., Any]:
    """``xframe.port`` in the session's workers: ``xframe_port("mynet.toml", "paddle", "torch", weights=…)``.

    Paths are relative to the test file; the port goes into the test's own ``tmp_path``, as .npz, unless ``out`` says.
    """
    return _xframe_workflows.port


@pytest.fixture
def xframe_diff(_xframe_workflows: Workflows) -> Callable[..., Any]:
    """Two implementations compared in the session's workers; what was found is shown where the test fails.

    >>> def test_mynet(xframe_diff):
    ...     assert xframe_diff("mynet.toml", "paddle", "torch").outputs.max_rel < 1e-12
    """
    return _xframe_workflows.diff


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A worker that died in an earlier test is started anew."""
    pool = item.config.stash.get(_POOL, None)
    if pool is not None:
        pool.revive()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A missing framework fails a test of xframe, or skips it, in one sentence.

    With --xframe-only, those that are not meant may be missing: which ones a test of one's own needs shows only here.
    """
    if "xframe_pool" not in getattr(item, "fixturenames", ()):
        return (yield)
    from xframe.errors import FrameworkMissing

    try:
        return (yield)
    except FrameworkMissing as error:
        missing = error
    only = item.config.option.xframe_only
    if item.config.option.xframe_missing == "skip" or (only is not None and missing.framework not in only):
        setattr(item, _MISSING, missing.framework)
        pytest.skip(f"{missing.framework} is missing")
    return pytest.fail(f"{missing}\nTo skip such tests: pytest --xframe-missing=skip.", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What xframe said goes with a failure; a skip for want of a framework is that of the test's own line."""
    report = yield
    if report.when == "call" and hasattr(item, _MISSING):
        setattr(report, _MISSING, getattr(item, _MISSING))
        path, line, _ = item.reportinfo()
        report.longrepr = (str(path), (line or 0) + 1, f"Skipped: {getattr(item, _MISSING)} is missing")
    if report.when == "call" and report.failed and item.stash.get(_RESULTS, []):
        from xframe.testing.fixtures import shown

        report.sections += [*shown(item.stash[_RESULTS])]
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Skips for want of a framework, and what was recorded: neither is silent."""
    skipped = Counter(getattr(report, _MISSING, "") for report in terminalreporter.getreports("skipped"))
    for framework, count in sorted(skipped.items()):
        if framework:
            terminalreporter.write_line(f"xframe: {count} skipped, {framework} is missing", yellow=True)
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    said = [value for report in reports for name, value in report.user_properties if name == "xframe"]
    for line in said:
        terminalreporter.write_line(f"xframe: {line}")
    if config.option.xframe_record is not None and not said:
        terminalreporter.write_line("xframe: nothing was recorded", yellow=True)
