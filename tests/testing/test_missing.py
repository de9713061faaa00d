"""A framework that is not installed: a golden does without it, other tests fail or are skipped and counted."""

import subprocess
import sys

from planted import Sheet

pytest_plugins = ["pytester"]
LINE = "import xframe\ntest_small = xframe.equivalence('small.toml')\n"
GOLDEN = "import xframe\ntest_small = xframe.golden('small.toml', record='paddle')\n"


def test_recorded_with_paddle_and_verified_without(run, pytester, without_paddle):
    """The golden is all that torch's own job needs. Nothing there imports paddle, or starts a worker for it."""
    run("-q", "--xframe-record", test_mine=GOLDEN).assert_outcomes(passed=1)
    asked = without_paddle()
    done = subprocess.run([sys.executable, "-c", "import paddle"], capture_output=True, text=True, check=False)
    assert "No module named 'paddle'" in done.stderr
    asked.unlink()
    run("-q", "--xframe-only=torch", "-rA").assert_outcomes(passed=1, deselected=1)
    assert not asked.exists()
    Sheet("paddle", "torch", {"epsilon": 1.001e-5}).write(pytester.path / "small.toml")
    result = run("-q", "-k", "torch")
    result.assert_outcomes(failed=1, deselected=1)
    text = result.stdout.str()
    assert "cause     epsilon: epsilon is 1e-05 in paddle's bn1, as it was recorded, and 1.001e-05" in text
    assert not asked.exists()


def test_missing_frameworks_fail_or_are_skipped_and_counted(run, pytester, without_paddle):
    without_paddle()
    own = "def test_own(xframe_diff):\n    assert xframe_diff('small.toml', 'torch', 'paddle')\n"
    result = run("-q", test_mine=LINE, test_own=own)
    result.assert_outcomes(failed=3)
    text = result.stdout.str()
    assert "paddle was expected to be installed, but it is not" in text
    assert "To skip such tests: pytest --xframe-missing=skip." in text
    assert "Traceback" not in text
    assert "another exception" not in text
    result = run("-q", "-rs", "--xframe-missing=skip")
    result.assert_outcomes(skipped=3)
    result.stdout.fnmatch_lines(["xframe: 3 skipped, paddle is missing", "*test_mine.py:2: paddle is missing"])
