"""Which Python is meant when somebody says "my torch"."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Interpreter:
    """The Python whose torch is meant. `kind` says which one it is without giving the (private) path."""

    path: str
    kind: str


def this_interpreter() -> Interpreter:
    """The interpreter that runs this code."""
    return Interpreter(sys.executable, "the interpreter that runs hwcompat")


def choose_interpreter(python: str | None, variables: Mapping[str, str]) -> Interpreter:
    """`python` if given, this interpreter if it has torch, else the active virtual or conda environment or PATH's."""
    if python:
        return Interpreter(shutil.which(python) or python, "the interpreter that was asked for")
    if _has_torch():
        return this_interpreter()
    candidates = (
        (_python_in(variables.get("VIRTUAL_ENV")), "the active virtual environment"),
        (_python_in(variables.get("CONDA_PREFIX")), "the active conda environment"),
        (_python_on(variables.get("PATH")), "the first Python on PATH"),
    )
    others = (Interpreter(path, kind) for path, kind in candidates if path and not _is_this(path))
    return next(others, this_interpreter())


def _has_torch() -> bool:
    from importlib.util import find_spec

    spec = find_spec("torch")
    return spec is not None and spec.origin is not None  # a mere folder named torch has no origin


def _python_in(prefix: str | None) -> str | None:
    names = ("python.exe", "Scripts/python.exe") if os.name == "nt" else ("bin/python",)
    files = [Path(prefix) / name for name in names] if prefix else []
    return next((str(file) for file in files if file.is_file()), None)


def _python_on(path: str | None) -> str | None:
    if not path:  # None would mean this process's own PATH
        return None
    return shutil.which("python", path=path) or shutil.which("python3", path=path)


def _is_this(path: str) -> bool:
    # The folder is compared, not the file: a virtual environment's python is a link to the one it was made from.
    here, there = Path(sys.executable).parent, Path(path).parent
    return here == there or here.resolve() == there.resolve()
