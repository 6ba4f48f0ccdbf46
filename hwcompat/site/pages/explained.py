"""How rows become a verdict, trust.html, and what each probe checks, probes.html."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from hwcompat import consensus, nearness
from hwcompat.model import VERDICTS
from hwcompat.probes import catalogue
from hwcompat.site.shell import Shell
from hwcompat.site.values import Site


def outputs(site: Site, shell: Shell) -> Iterator[tuple[str, str]]:
    """trust.html and probes.html."""
    yield shell.page("trust.html", "trust.html", rules=consensus, far=nearness.FAR, verdicts=VERDICTS)
    listed = [(probe, catalogue.described(probe)) for probe in catalogue.listing()]
    families = {name: list(found) for name, found in groupby(listed, lambda one: str(one[0].id).split(".")[0])}
    yield shell.page("probes.html", "probes.html", families=families, count=len(listed))
