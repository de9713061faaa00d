"""The files of a family are one text in three dialects; a class there may be a function here."""

import ast
import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ZOO = ROOT / "xframe" / "zoo"
FRAMEWORKS = ("paddle", "torch", "keras")
FAMILIES = sorted(str(path.parent.relative_to(ZOO)) for path in ZOO.rglob("keras.py"))
MODULES = sorted(path for path in ZOO.rglob("*.py") if path.stem in (*FRAMEWORKS, "tf"))


def dialects(family):
    """The frameworks that a family is written in; where paddle has the network itself, it is not written again."""
    return [framework for framework in FRAMEWORKS if (ZOO / family / f"{framework}.py").is_file()]


def parse(family, framework):
    return ast.parse((ZOO / family / f"{framework}.py").read_text(encoding="utf-8"))


def definitions(family, framework, kinds=(ast.FunctionDef, ast.ClassDef)):
    return [node.name for node in parse(family, framework).body if isinstance(node, kinds)]


def role(name):
    """What `name` stands for in any dialect: BasicBlock and basic_block, resnet18_custom and ResNet are each one."""
    return re.sub(r"[\d_]", "", name.lower()).removesuffix("custom")


def roles(family, framework):
    """The roles in the order of the file; a class, its variants and its factory follow each other and count once."""
    return [name for name, _ in groupby(map(role, definitions(family, framework)))]


@pytest.mark.parametrize("family", FAMILIES)
def test_same_names_in_the_same_order(family):
    first, *others = (roles(family, framework) for framework in dialects(family))
    assert first
    assert others
    assert all(other == first for other in others)


def factories(family, framework):
    """The functions with a number in their name: they build a network of one depth."""
    return [name for name in definitions(family, framework, kinds=ast.FunctionDef) if re.search(r"\d", name)]


def test_factories():
    variants = ["lenet5", "lenet5_sigmoid", "lenet5_subsampling"]
    assert factories("lenet", "paddle") == ["lenet5_maxavg", "lenet5_maxavg_custom", *variants]
    assert factories("lenet", "torch") == factories("lenet", "keras") == ["lenet5_maxavg", *variants]
    assert factories("resnet", "paddle") == ["resnet18_custom"]
    assert factories("resnet", "torch") == factories("resnet", "keras") == ["resnet18"]


def comments(family, framework):
    text = (ZOO / family / f"{framework}.py").read_text(encoding="utf-8")
    return re.findall(r"^ +# (.*)$", text, flags=re.MULTILINE)


@pytest.mark.parametrize("family", FAMILIES)
def test_comments_shared_by_two_dialects_are_in_keras_too(family):
    shared = set.intersection(
        *(set(comments(family, framework)) for framework in dialects(family) if framework != "keras")
    )
    for framework in dialects(family):
        own = [comment for comment in comments(family, framework) if comment in shared]
        assert own == [comment for comment in comments(family, "torch") if comment in shared]


def imports(path):
    """The modules that a file imports, in functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=module):
                yield module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ZOO)))
def test_a_file_imports_its_own_framework_and_nothing_else(path):
    outside = [name for name in imports(path) if name.split(".")[0] not in sys.stdlib_module_names]
    own = {{"tf": "tensorflow"}.get(path.stem, path.stem)} if path.stem in (*FRAMEWORKS, "tf") else set()
    zoo = re.compile(rf"xframe\.zoo\.\w+\.{path.stem}")
    assert {name.split(".")[0] for name in outside if not zoo.fullmatch(name)} == own


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_examples_run(framework, request):
    results = request.getfixturevalue(f"{framework}_facts")["doctests"]
    assert all(failed == 0 and attempted > 0 for failed, attempted in results)


@pytest.mark.slow
@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ZOO)))
def test_every_example_runs(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    code = f"import doctest, {module} as found; print(*doctest.testmod(found))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    failed, attempted = map(int, done.stdout.splitlines()[-1].split())
    assert failed == 0
    assert attempted or path.parent.name == "operators"
