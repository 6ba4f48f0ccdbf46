"""A page a chip that rows are about: chip/<slug>.html, with every release in its grids."""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.site.shell import Shell
from hwcompat.site.values import Site


def outputs(site: Site, shell: Shell) -> Iterator[tuple[str, str]]:
    """Every chip with rows, but no processor."""
    for chip in site.chips:
        yield shell.page(
            "chip.html",
            f"chip/{chip.slug}.html",
            chip=chip,
            grids=shell.part("grids.html", ("all", chip.chip), grids=chip.grids),
            versions=shell.part("versions.html", ("all", chip.chip), versions=chip.versions),
        )
