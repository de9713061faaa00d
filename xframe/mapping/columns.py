"""A table's columns: its implementations, and what it declares to be different between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from xframe.builds import NOTHING, Build
from xframe.mapping.kinds import Kinds
from xframe.mapping.section import Section
from xframe.mapping.table import OUTPUTS, Difference, Implementation


def read_implementations(
    section: Section, kinds: Kinds, options: Mapping[str, Any], folder: Path
) -> dict[str, Implementation]:
    """``[implementations]`` by name; paths are taken from ``folder``.

    Problems are recorded in ``section``; columns of no framework are left out.
    """
    found = {}
    for name, child in section.children():
        column = _implementation(name, child, kinds, options, folder)
        if column is not None:
            found[name] = column
    return found


def _implementation(
    name: str, section: Section, kinds: Kinds, options: Mapping[str, Any], folder: Path
) -> Implementation | None:
    world = name.partition("/")[0]
    framework = kinds.frameworks.get(world)
    build = _build(section, world).within(folder)
    dialect = section.take("dialect", str, world)
    takes = section.texts("options")
    fixed = section.take("with", dict, {})
    output = section.choice("output", OUTPUTS)
    section.finish()
    if build.is_saved and (takes or fixed):
        section.problem("a saved model takes no arguments", "options" if takes else "with", suggestion="leave it out")
    for option in takes:
        if option not in options:
            section.problem(f"the table declares no option '{option}'", "options")
        if option in fixed:
            section.problem(f"'{option}' is an option of the table, so it cannot be fixed too", "with", option)
    for key, value in fixed.items():
        if not isinstance(value, int | float | bool | str):
            section.problem(f"expected a number, a text, true or false; found {value!r}", "with", key)
    if framework is None:
        section.problem(f"unknown framework '{world}'", suggestion=f"known: {', '.join(kinds.frameworks)}")
        return None
    return Implementation(
        name=name,
        framework=framework,
        build=build,
        dialect=dialect,
        options=takes,
        fixed=MappingProxyType(fixed),
        output=output,
    )


def _build(section: Section, world: str) -> Build:
    """Where the model comes from; NOTHING where only names are known. A text that says it wrongly is a problem."""
    bare = section.take("weights_only", bool, default=False)
    text = section.take("build", str, "") if bare else section.require("build", str, "")
    if bare and text:
        section.problem("a column of weights only has no build", "build", suggestion="leave one of the two out")
    build = section.attempt(lambda: Build.parse(text), NOTHING, "build") if "build" in section.data else NOTHING
    if found := build.foreign_to(world):
        section.problem(found, "build")
    return build


def read_differences(root: Section, implementations: Mapping[str, Implementation]) -> Iterator[Difference]:
    """``[[differences]]``: ``of = ["paddle"]`` and what it ``says``."""
    for section in root.sections("differences"):
        names, says = section.texts("of"), section.require("says", str, "")
        section.finish()
        for name in names:
            if name not in implementations:
                known = ", ".join(implementations)
                section.problem(f"unknown implementation '{name}'", "of", suggestion=f"known: {known}")
        if not 0 < len(set(names)) < len(implementations):
            section.problem("a difference is of some implementations, not of none or all of them", "of")
        yield Difference(of=frozenset(names), says=says)
