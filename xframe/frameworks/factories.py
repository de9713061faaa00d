"""From a ``build`` to a model: the factory is found, called with what the table gives, and its result looked at."""

from __future__ import annotations

import importlib
import inspect
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from xframe.builds import Build, nearest
from xframe.frameworks.homes import load_file
from xframe.frameworks.refusals import Unbuildable

_ROOTS = {"torch": "torch", "paddle": "paddle", "keras": "keras", "tensorflow": "tf"}  # package → column


def resolve(factory: str) -> Any:
    """The object that ``module:attribute`` or ``/path/file.py:attribute`` names. Raises Unbuildable."""
    build = Build.parse(factory)
    found: Any = load_file(Path(build.place)) if build.is_file else _module(build)
    for name in build.attribute.split("."):
        if not hasattr(found, name):
            raise Unbuildable(_lacks(build, found, name))
        found = getattr(found, name)
    return found


def made(factory: str, options: Mapping[str, Any], kind: type, *, further: Mapping[str, Any] | None = None) -> Any:
    """The model that ``factory`` gives for ``options``, which is a ``kind``. Raises Unbuildable.

    ``further`` are arguments that the adapter gives besides those of the table.
    """
    call = resolve(factory)
    if not callable(call):
        raise Unbuildable(f"{factory} was expected to be a class or function that gives a model; found {_a(call)}")
    _fits(factory, call, {**options, **(further or {})}, options)
    model = call(**options, **(further or {}))
    if not isinstance(model, kind):
        raise Unbuildable(_no_model(factory, model, kind))
    return model


def without_arguments(factory: str, options: Mapping[str, Any]) -> Path:
    """The path of a saved model, which takes no arguments. Raises Unbuildable."""
    if options:
        given = ", ".join(options)
        raise Unbuildable(f"{factory} is a saved model, which takes no arguments; found {given}. Try: without them")
    return Path(Build.parse(factory).place)


def is_saved(factory: str) -> bool:
    """Whether the text names a saved model."""
    return Build.parse(factory).is_saved


def _module(build: Build) -> ModuleType:
    try:
        return importlib.import_module(build.place)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{build.place}.".startswith(f"{error.name}."):
            raise  # what the module itself imports is missing: its own words say so
        raise Unbuildable(
            f"there is no module '{error.name}' for {build.said}: expected one that is installed, or a file in the "
            f"working folder. Try: ./{error.name.replace('.', '/')}.py:{build.attribute} for a file beside the table"
        ) from error


def _lacks(build: Build, found: Any, name: str) -> str:
    here = [known for known in vars(found) if not known.startswith("_")] if hasattr(found, "__dict__") else []
    where = Path(build.place).name if build.is_file else build.place
    return f"expected a factory '{build.attribute}' in {where}; found no '{name}' there.{nearest(name, here)}"


def _fits(factory: str, call: Callable[..., Any], given: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Whether a factory can be called so; one that does not say what it takes is called all the same."""
    try:
        signature = inspect.signature(call)
    except (ValueError, TypeError):
        return
    try:
        signature.bind(**given)
    except TypeError as error:
        table = ", ".join(f"{name}={value!r}" for name, value in options.items()) or "no arguments"
        raise Unbuildable(
            f"{factory} cannot be called with what the table gives it, {table}: {error}. It takes {_spelt(signature)}. "
            f"Try: with = {{ … }} or options = [ … ] in the column"
        ) from None


def _spelt(signature: inspect.Signature) -> str:
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def _no_model(factory: str, model: Any, kind: type) -> str:
    expected = f"{factory} was expected to give a {kind.__module__.partition('.')[0]} model, a {kind.__name__}"
    roots = (base.__module__.partition(".")[0] for base in type(model).__mro__)
    other = next((_ROOTS[root] for root in roots if root in _ROOTS), None)
    here = _ROOTS.get(kind.__module__.partition(".")[0])
    if isinstance(model, type):
        return f"{expected}; found the class {model.__name__}, not called"
    if other is not None and other != here:
        return f"{expected}; found {_a(model)}. Try: in a column of {other}"
    return f"{expected}; found {_a(model)}"


def _a(thing: Any) -> str:
    kind = type(thing)
    if kind.__module__ == "builtins":
        return f"a {kind.__name__}, {reprlib.repr(thing)}"
    return f"a {kind.__module__.partition('.')[0]}.{kind.__qualname__}"
