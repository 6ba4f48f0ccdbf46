"""A badge a card: badge/<slug>.svg."""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.site.charts import badge
from hwcompat.site.shell import Shell
from hwcompat.site.texts import visible
from hwcompat.site.values import Site


def outputs(site: Site, shell: Shell) -> Iterator[tuple[str, str]]:
    """One for every page of a card."""
    for page in site.cards:
        label, message, verdict = map(visible, page.badge)
        yield f"badge/{page.subject.slug}.svg", badge(label, message, verdict)
