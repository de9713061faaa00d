"""Packages of others, imported without what surrounds their networks.

They are installed without what they depend on. A package's ``__init__`` imports training loops, plots and downloads, so
that `bare` leaves it out; `absent` takes the place of a module that computes no layer. Every layer, its order and its
constants are the package's own code.
"""

import importlib.util
import sys
import types


def bare(*packages):
    """Put packages where they can be imported from, without running their own first lines."""
    for name in packages:
        if name not in sys.modules:
            module = types.ModuleType(name)
            module.__path__ = list(importlib.util.find_spec(name).submodule_search_locations)
            sys.modules[name] = module


def absent(name, *functions):
    """A module in whose place nothing stands but functions that fail when they are called."""

    def missing(*_, **__):
        raise RuntimeError(f"{name} is left out in these tests")

    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(dict.fromkeys(functions, missing))
