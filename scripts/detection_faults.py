"""The sets of faults that scripts/detection_matrix.py runs, each fault with a digest of the code that makes it."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from hwcompat.probes import simulate
from hwcompat.probes.simulate import _mutation

ROOT = Path(__file__).resolve().parents[1]
OPERATORS = ROOT / "tests" / "faults" / "operators.csv"
SECOND = ROOT / "tests" / "faults_second"
ENVIRONMENT = ("environment.hang", "environment.crash", "environment.slow", "slow_fp16")
"""Beginnings of the names of faults that need worker processes or a clock, see `detection_run.environment`."""

LAYOUTS = {"noncontiguous": "strided", "channels_last": "channels_last", "odd": "odd"}
"""Which layout of the inventory a conditional change needs."""


@dataclass(frozen=True)
class Fault:
    name: str
    description: str
    digest: str
    make: Callable[[Any], Any]
    held_out: bool = False

    @property
    def is_environment(self) -> bool:
        return self.name.startswith(ENVIRONMENT)


def digest(*parts: str | bytes) -> str:
    joined = b"\0".join(part.encode() if isinstance(part, str) else part for part in parts)
    return hashlib.sha256(joined).hexdigest()[:20]


def sources(*paths: Path) -> bytes:
    return b"\0".join(path.read_bytes() for path in paths if path.exists())


def listed() -> list[Fault]:
    """The documented faults that `hwcompat probe --simulate` knows."""
    folder = Path(simulate.__file__).parent
    found = []
    for name, line in simulate.listing().items():
        family = folder / (name.partition(".")[0] + ".py")
        mark = digest(name, sources(family, folder / "_dispatch.py", folder / "_alter.py"))
        found.append(Fault(name, line, mark, lambda torch, name=name: simulate.make(torch, name)))
    return found


def operators() -> list[Fault]:
    """Every change of simulate/_mutation.py to every operator result that the inventory holds."""
    folder = Path(simulate.__file__).parent
    code = sources(folder / "_mutation.py", folder / "_alter.py", folder / "_dispatch.py")
    found = []
    with OPERATORS.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            layouts = row["layouts"].split()
            for change, meaning in _mutation.CHANGES.items():
                if LAYOUTS.get(change, "contiguous") in layouts:
                    found.append(_mutant(row["operator"], row["dtype"], int(row["result"]), change, meaning, code))
    return found


def _mutant(operator: str, dtype: str, result: int, change: str, meaning: str, code: bytes) -> Fault:
    name = f"{operator}/{result}/{dtype}/{change}"
    return Fault(
        name,
        f"{operator}, result {result}, {dtype}: {meaning}",
        digest(name, code),
        lambda torch: _mutation.mode(torch, operator, "", dtype, result, change),
    )


def second(folder: Path = SECOND, split: Path | None = None, held_out: bool = False) -> list[Fault]:
    """Faults of other authors: each file of `folder` has FAULTS, name -> (description, factory).

    Names in the file `split` (one a line) are the held-out part, left out unless `held_out`.
    """
    split = split or folder / "held_out.txt"
    hidden = set(split.read_text(encoding="utf-8").split()) if split.exists() else set()
    shared = sources(*sorted(folder.glob("_*.py")))
    found = []
    for path in sorted(folder.glob("[!_]*.py")):
        module = _imported(path)
        for name, (description, factory) in getattr(module, "FAULTS", {}).items():
            mark = digest(name, _code_of(factory) or sources(path), shared)
            found.append(Fault(name, description, mark, factory, name in hidden))
    return [fault for fault in found if held_out or not fault.held_out]


def _imported(path: Path) -> ModuleType:
    folder = str(path.parents[1])
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = f"{path.parent.name}.{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    return importlib.import_module(name)


def _code_of(factory: Any) -> str:
    """The factory's file as text: a change anywhere in it counts."""
    try:
        return Path(inspect.getsourcefile(factory) or "").read_text(encoding="utf-8")
    except (OSError, TypeError):
        return ""


def words_of(fault: Fault) -> set[str]:
    """Words in the code that makes `fault`: a hint at the operators it touches, used only to order the probes."""
    import re

    return set(re.findall(r"[a-z_][a-z0-9_]+", _reached(fault.make)))


def _reached(factory: Any) -> str:
    """Source of the factory and of the functions in its closure."""
    found = []
    for one in [factory, *(cell.cell_contents for cell in getattr(factory, "__closure__", None) or ())]:
        try:
            found.append(inspect.getsource(one))
        except (OSError, TypeError):
            found.append(repr(one))
    return " ".join(found)


def chosen(faults: Iterable[Fault], patterns: list[str]) -> list[Fault]:
    import fnmatch

    return [f for f in faults if not patterns or any(fnmatch.fnmatchcase(f.name, p) for p in patterns)]
