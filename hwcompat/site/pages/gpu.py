"""A page a card: gpu/<slug>.html."""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.model import CAPABILITIES
from hwcompat.site.answers import command_for
from hwcompat.site.shell import Shell
from hwcompat.site.values import Site


def outputs(site: Site, shell: Shell) -> Iterator[tuple[str, str]]:
    """Every card of the tables and of the rows."""
    slugs = {one.fault.id: one.slug for one in site.faults}
    for page in site.cards:
        commands = [command_for(page.subject, answer) for answer in page.answers]
        anchored = {one.anchor for one in page.evidence}
        yield shell.page(
            "gpu.html",
            f"gpu/{page.subject.slug}.html",
            page=page,
            subject=page.subject,
            capabilities=CAPABILITIES,
            commands=commands,
            fault_slugs=slugs,
            anchored=anchored,
        )
