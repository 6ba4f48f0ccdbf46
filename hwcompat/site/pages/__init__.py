"""One kind of page a file: `outputs(site, shell)` yields (path, text). A new kind is a new file here."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwcompat.site.shell import Shell
    from hwcompat.site.values import Site


def kinds() -> tuple[str, ...]:
    """Every kind there is, sorted; lists the folder and imports none."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")))


def outputs(kind: str, site: Site, shell: Shell) -> Iterator[tuple[str, str]]:
    """(path, text) of every file of one kind."""
    yield from import_module(f"{__name__}.{kind}").outputs(site, shell)
