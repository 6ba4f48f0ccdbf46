"""The style and the script, as they are in the package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hwcompat.site.shell import Shell
from hwcompat.site.values import Site

_FOLDER = Path(__file__).parents[1] / "assets"


def outputs(site: Site, shell: Shell) -> Iterator[tuple[str, str]]:
    """Each file of the folder, with LF line ends wherever it was checked out."""
    for path in sorted(_FOLDER.iterdir()):
        yield f"assets/{path.name}", path.read_text(encoding="utf-8")
