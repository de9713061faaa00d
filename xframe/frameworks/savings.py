"""Which models were loaded from saved ones, and the functions that an adapter has for those alone."""

from __future__ import annotations

import importlib
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

Model = TypeVar("Model")

_loaded: weakref.WeakSet[Any] = weakref.WeakSet()


def remember(model: Model) -> Model:
    """The same model, from now on known as one that was saved."""
    _loaded.add(model)
    return model


def either(own: Callable[..., Any], framework: str) -> Any:
    """``own`` for models of code, the function of that name in the framework's ``saved`` module for saved ones.

    That module is imported with the first of them: few workers ever see one.
    """

    def call(model: Any, *args: Any, **options: Any) -> Any:
        if model in _loaded:
            saved = importlib.import_module(f"xframe.frameworks.{framework}.saved")
            return getattr(saved, own.__name__)(model, *args, **options)
        return own(model, *args, **options)

    return staticmethod(call)
