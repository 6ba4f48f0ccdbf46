"""Which code a probe's result comes from: kept results count only as long as that code is the same."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

from hwcompat.probes import catalogue

ISLAND = Path(catalogue.__file__).parent
ALWAYS = ("execute", "context", "judge", "rounding", "inputs", "torch_state")
"""Modules of the island that take part in every probe's result."""


def digest_of(path: Path) -> str:
    """20 hex digits over the probe file, every module that it reaches by imports, and those that always take part."""
    files = reached(path, *(ISLAND / f"{name}.py" for name in ALWAYS))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:20]


def reached(*paths: Path) -> list[Path]:
    """`paths` and all files that they import relatively, and what those import; sorted."""
    seen: set[Path] = set()
    waiting = list(paths)
    while waiting:
        one = waiting.pop()
        if one not in seen and one.exists():
            seen.add(one)
            waiting += _imported(one)
    return sorted(seen)


def _imported(path: Path) -> list[Path]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1]
            folder = base.joinpath(*(node.module or "").split(".")) if node.module else base
            found += [folder / f"{alias.name}.py" for alias in node.names] + [folder.with_suffix(".py")]
    return found
