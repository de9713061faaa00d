"""Files of code, each with its own folder importable while it is at work: two folders may hold files of one name.

A build from a file is at home in its folder; any other is at home in the working folder. Of modules that both homes
have by one name, only those of the present home are in ``sys.modules``; the others wait.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from xframe.builds import Build
from xframe.frameworks.refusals import Unbuildable

_PREFIX = "xframe_build_"  # no installed module begins so


class Homes:
    """Where imports look, by home. One a worker."""

    def __init__(self) -> None:
        self._own = list(sys.path)
        self._working = ""
        self._present = ""
        self._waiting: dict[str, dict[str, ModuleType]] = {}

    def settle(self, working: str) -> None:
        """``sys.path`` is as it will be; ``working`` is the working folder in it."""
        self._own, self._working = list(sys.path), working
        self._present = working

    def enter(self, home: str) -> None:
        """Be at home in the folder ``home``, or with "" in the working folder."""
        home = home or self._working
        if home == self._present:
            return
        for name, module in list(sys.modules.items()):
            of = self._home_of(module)
            if of not in (None, home) and not name.startswith((_PREFIX, "xframe.")) and _provides(home, name):
                self._waiting.setdefault(of, {})[name] = sys.modules.pop(name)
        sys.path[:] = self._path(home)
        importlib.invalidate_caches()
        sys.modules.update(self._waiting.pop(home, {}))
        self._present = home
        self._waiting.setdefault(home, {})

    def _path(self, home: str) -> list[str]:
        """Behind what is installed, and before the working folder, which then goes behind it too."""
        if home == self._working:
            return list(self._own)
        return [*(entry for entry in self._own if entry != self._working), home, self._working]

    def _home_of(self, module: ModuleType) -> str | None:
        """The known home that a module was imported from by its first name."""
        file = getattr(module, "__file__", None)
        if not isinstance(file, str):
            return None
        first = module.__name__.partition(".")[0]
        known = {self._working, self._present, *self._waiting} - {""}
        return next((home for home in known if file.startswith((f"{home}/{first}.", f"{home}/{first}/"))), None)


homes = Homes()


def load_file(path: Path) -> ModuleType:
    """The module in the file, run once a worker under a name of its own.

    Raises Unbuildable where there is no file, and what the file raises.
    """
    if not path.is_file():
        raise Unbuildable(f"there is no file {path}: expected Python code that defines the factory")
    name = _PREFIX + hashlib.sha256(str(path).encode()).hexdigest()[:16]
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None  # it ends in .py
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # as import does: half a module is none
        raise
    return module


def home_of(text: str) -> str:
    """The folder in which the build of this text is at home; "" for the working folder."""
    build = Build.parse(text)
    return str(Path(build.place).parent) if build.is_file else ""


def _provides(home: str, name: str) -> bool:
    first = name.partition(".")[0]
    return (Path(home) / f"{first}.py").is_file() or (Path(home) / first).is_dir()
