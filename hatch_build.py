"""Compiles ``xframe/native`` on installation, in place if that is editable. No compiler: xframe does without.

A build hook of hatchling (https://hatch.pypa.io/latest/plugins/build-hook/custom/); setuptools knows how to compile.
"""

import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

NATIVE, NAMES = Path("xframe", "native"), ("pieces", "words")
EXTENSIONS = [
    Extension(
        f"xframe.native.{name}", [str(NATIVE / f"{name}.c")],
        extra_compile_args=["-O3"], py_limited_api=True, optional=True,
    )
    for name in NAMES
]  # fmt: skip


class Compile(BuildHookInterface):  # type: ignore[type-arg]
    """One wheel for every Python from 3.11 on, by the stable ABI; a pure one where nothing could be compiled."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling passes it
        """Called before files are collected; ``version`` is "standard" or "editable"."""
        if self.target_name != "wheel":
            return
        compiled = [Path(self.root, NATIVE, f"{name}.abi3.so") for name in NAMES]
        for before in compiled:
            before.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            command = build_ext(Distribution({"ext_modules": EXTENSIONS}))
            command.inplace, command.build_temp, command.build_lib = True, folder, folder
            command.ensure_finalized()
            command.run()
        if all(path.exists() for path in compiled):
            build_data["artifacts"].append("xframe/native/*.so")
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{next(platform_tags())}"
