"""What the documents show is what is printed; what they name exists."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from transcripts import Shell, agrees, commands, elided, failures, refreshed

ROOT = Path(__file__).parents[2]
DOCUMENTS = [path for path in (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md") if path.is_file()]
PAGES = [*DOCUMENTS, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`((?:xframe|mappings|tests|docs|fixtures|benchmarks)/[\w./-]*)`")


@pytest.fixture
def shell(tmp_path):
    """A copy of what the documents' commands work on."""
    for folder in ("docs", "fixtures", "mappings"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return Shell(tmp_path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_print_what_is_shown(document, shell, request):
    lines = document.read_text(encoding="utf-8").splitlines()
    wrong = list(failures(lines, shell))
    if request.config.getoption("--refresh-docs", default=False):
        # A command that fails is not written down as if it should.
        changes = [(command, printed) for command, printed, what in wrong if not what.startswith("exit code")]
        if changes:
            document.write_text("\n".join(refreshed(lines, changes)) + "\n", encoding="utf-8")
        wrong = [failure for failure in wrong if failure[2].startswith("exit code")]
    report = "\n\n".join(f"{document.name}:{command.start}: {command.source}\n{what}" for command, _, what in wrong)
    assert not wrong, report


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in link:
            path, _, anchor = link.partition("#")
            target = (page.parent / path) if path else page
            assert target.exists(), f"{page.name}: {link}"
            assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def anchors(page):
    """The anchors of a page's headings, as hosts of Markdown make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_paths_exist(page):
    for path in _CODE.findall(page.read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), f"{page.name} names {path}"


def shown_by(page, command):
    """What ``page`` shows behind ``command``."""
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    return next(found.shown for found in commands(lines) if found.source == command)


def test_every_json_key_is_explained():
    command = "xframe port ./docs/examples/another_epsilon.toml paddle torch --json"
    printed = json.loads("\n".join(shown_by("how-it-works.md", command)))
    text = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    rows = text[text.index("| key | meaning |") :].split("\n\n")[0].splitlines()[2:]
    explained = {key for row in rows for key in re.findall(r"`([^`]+)`", row.split("|")[1])}
    parts = ("tensors", "float64", "float32", "first_divergence", "conversion")
    keys = printed.keys() | {f"{key}.{part}" for key in parts for part in printed[key]}
    assert explained | set(parts) == keys


def test_what_is_not_there_yet_is_not_there():
    """A command that exists now has to leave the list."""
    text = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if line.startswith("- Commands: "))
    done = subprocess.run(
        [Path(sys.executable).parent / "xframe", "--help"], capture_output=True, text=True, check=True
    )
    there = re.findall(r"^│ (\w+) ", done.stdout, re.MULTILINE)
    assert "port" in there
    assert not set(re.findall(r"`(\w+)`", line)) & set(there)


# The harness itself: each of these must be seen.

RANKING = "the layers that are furthest apart\nlayer  source  target  free-running  by itself\n"


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("max |a−b| 3.5e-10, relative 1.6e-12", "max |a−b| 1.2e-11, relative 9.9e-13"),
        ("took     3.2 s  (read 2.2, build 0.9)", "took     14.0 s  (read 0.1, build 1.1)"),
        ("took    0.0 s", "took    0.1 s  (read 0.1)"),
        ("took    0.1 s  (read 0.1)", "took    0.0 s"),
        ('"total": 8.005', '"total": 12'),
        ('"torch": "2.13.0+cpu"', '"torch": "2.13.0"'),
        ("wrote …/digits.pth", "wrote somewhere/digits.pth"),
        ("one\n…\nlast", "one\ntwo\nthree\nlast"),
        ("one\n…\nlast", "one\nlast"),
        ("conv1  conv1  0        0", "conv1  conv1  1.9e-16  1.9e-16"),
        ("max |a−b| 5.3e-15, relative 4.4e-16", "max |a−b| 0, relative 0"),
        (f"{RANKING}linear  fc  dense  1.2e-15  5.1e-16", f"{RANKING}batch_norm  norm  bn_1  8.7e-16  0"),
    ],
)
def test_what_may_vary(shown, printed):
    assert agrees(shown.splitlines(), printed.splitlines())


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("max |a−b| 3.5e-10", "max |a−b| 3.5e-07"),
        ("max |a−b| 3.5e-10", "max |a−b| 0"),
        ("max |a−b| 0", "max |a−b| 3.5e-10"),
        ("102 moved", "101 moved"),
        ("46.8 MB", "46.9 MB"),
        ("took    0.0 s", "took    0.1 s  (guess 0.1)"),
        ("took    0.0 s", "took    0.1 s  ()"),
        ("equivalent", "different"),
        ("one\n…\nlast", "one\ntwo\nthree"),
        ("one\nlast", "one\ntwo\nlast"),
        ("one", ""),
        ("", "one"),
        ("6 calls compared, 0 differ", "6 calls compared, 3 differ"),
        ("linear  fc  dense  1.2e-15  5.1e-16", "batch_norm  norm  bn_1  1.2e-15  5.1e-16"),
        (f"{RANKING}linear  fc  dense  3.9e-03  5.1e-16", f"{RANKING}batch_norm  norm  bn_1  3.9e-03  5.1e-16"),
        (f"{RANKING}linear  fc  dense  1.2e-15  5.1e-16", f"{RANKING}linear  fc  dense  1.2e-09  5.1e-16"),
    ],
)
def test_what_may_not_vary(shown, printed):
    assert not agrees(shown.splitlines(), printed.splitlines())


PLANTED = """\
```console
$ echo one
two
$ false
$ true
$ (exit 3)
$ echo $?
3
```
<!-- not run: it never ends -->
```console
$ yes
```
```python
print("three")
```

```text
four
```
```python
raise SystemExit(2)
```
""".splitlines()


def test_planted_lines_are_seen(tmp_path):
    wrong = [command.source for command, _, _ in failures(PLANTED, Shell(tmp_path))]
    assert wrong == ["echo one", "false", 'print("three")', "raise SystemExit(2)"]


def test_refreshing_puts_right_what_is_shown(tmp_path):
    changes = [(command, printed) for command, printed, _ in failures(PLANTED, Shell(tmp_path)) if command.shown]
    after = refreshed(PLANTED, changes)
    assert [command.shown for command in commands(after)][:1] == [["one"]]
    assert "three" in after
    assert "four" not in after


def test_refreshing_keeps_the_cuts():
    shown = ["head 1", "…", "layer3 old", "…", "total 5"]
    printed = ["head 2", "layer1 new", "layer2 new", "layer3 new", "layer4 new", "total 9"]
    assert elided(shown, printed) == ["head 2", "…", "layer3 new", "…", "total 9"]
