"""What the rows cover, and the cards that nobody has measured with current releases: wanted.html; other.html for rows
that name no card."""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.site.shell import Shell
from hwcompat.site.subjects import canonical
from hwcompat.site.values import Site


def outputs(site: Site, shell: Shell) -> Iterator[tuple[str, str]]:
    """wanted.html and other.html."""
    yield shell.page("wanted.html", "wanted.html", coverage=site.coverage, wanted=site.wanted, slugs=_slugs(site))
    yield shell.page("other.html", "other.html", evidence=site.unplaced)


def _slugs(site: Site) -> dict[str, str]:
    """{name in gpus.csv: slug of its page}."""
    return {name: site.slugs[page] for name, page in canonical(site.tables).items()}
