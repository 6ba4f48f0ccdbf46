"""A page a known fault, fault/<id>.html, and the list of all."""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.probes import catalogue
from hwcompat.site.shell import Shell
from hwcompat.site.values import Site


def outputs(site: Site, shell: Shell) -> Iterator[tuple[str, str]]:
    """Every entry of faults.yaml."""
    probes = {str(probe.id): catalogue.described(probe).summary for probe in catalogue.listing()}
    for page in site.faults:
        yield shell.page(
            "fault.html",
            f"fault/{page.slug}.html",
            page=page,
            fault=page.fault,
            clients=getattr(page.fault, "clients", {}),
            probes=probes,
        )
    yield shell.page("faults.html", "faults.html", faults=site.faults)
