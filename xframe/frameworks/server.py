"""The worker's side of the conversation: one request, one reply, until the channel closes."""

from __future__ import annotations

import faulthandler
import importlib
import os
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xframe.frameworks import Framework, NotInEvaluation
from xframe.frameworks.homes import homes
from xframe.frameworks.refusals import Unbuildable
from xframe.frameworks.service import Service

Reply = tuple[str, Any]
_WORDS = 2000  # characters of an error's message that travel
_TRACE = 20000  # of its traceback, from the end


def serve(channel: Any, framework: str, folder: str, paths: list[str]) -> None:
    """Import ``framework``, say so, then answer requests ``(command, arguments)`` with ``(status, result)``.

    The user's own folders, ``paths``, are looked into only from then on: a ``torch.py`` in one is not the framework.
    """
    started = time.perf_counter()
    try:
        adapter = importlib.import_module(f"xframe.frameworks.{framework}").framework
    except Exception as error:  # a broken installation fails in its own way: a lacking library, another numpy
        channel.send(("missing", f"{_words(error)} (interpreter {sys.executable})"))
        return
    faulthandler.disable()
    faulthandler.enable(2, all_threads=False)  # again: a framework may have put its own handlers in place
    place = _before_packages()
    sys.path[place:place] = paths
    homes.settle(paths[0] if paths else "")
    service = Service(adapter, framework, Path(folder))
    seconds = time.perf_counter() - started
    channel.send(
        ("ok", {"versions": _versions(adapter), "python": sys.executable, "pid": os.getpid(), "seconds": seconds})
    )
    for command, arguments in channel:
        reply(channel, _answer(service, command, arguments))


def _before_packages() -> int:
    """Where a user's folder stands in ``sys.path``: behind the standard library, before what was installed."""
    installed = (index for index, entry in enumerate(sys.path) if entry.endswith(("site-packages", "dist-packages")))
    return next(installed, len(sys.path))


def _answer(service: Service, command: str, arguments: Mapping[str, Any]) -> Reply:
    try:
        service.at_home(arguments)
        return "ok", getattr(service, command)(**arguments)
    except NotInEvaluation as error:
        return "training", _words(error)
    except Unbuildable as error:
        return "unbuildable", _sendable(str(error))
    except SystemExit:
        raise
    except BaseException as error:  # whatever the user's model raises is reported, not survived
        return _failure(error)


def reply(channel: Any, answer: Reply) -> None:
    """Send ``answer``; one that execnet cannot write, a name that is no UTF-8 for one, becomes an error of its own."""
    try:
        channel.send(answer)
    except Exception as error:  # execnet's own exceptions have no name in here
        channel.send(_failure(error))


def _failure(error: BaseException) -> Reply:
    trace = "".join(traceback.format_exception(error))
    return "error", (_words(error), _sendable(trace)[-_TRACE:])


def _words(error: BaseException) -> str:
    """``Type: message``, whatever the message is made of and however long it is."""
    try:
        text = _sendable(f"{type(error).__name__}: {error}")
    except Exception as failed:  # a message that cannot be made must not cost the reply
        text = f"{type(error).__name__} (whose own message raises {type(failed).__name__})"
    return text if len(text) <= _WORDS else f"{text[:_WORDS]}… ({len(text)} characters)"


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _versions(adapter: Framework) -> dict[str, str]:
    versions = {"python": sys.version.split()[0], "numpy": np.__version__, **adapter.versions}
    return {name: str(version) for name, version in versions.items()}  # torch's is a class of its own
