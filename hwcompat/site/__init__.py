"""The matrix as static pages: no server, no address outside the folder, the same bytes for the same rows and day.

    gathering   rows and tables -> the frozen values of `values` (pure)
    pages/      one kind of page a file, found by listing: `outputs(site, shell)` yields (path, text)
    templates/  HTML for Jinja2, escaping always on; assets/ the style and the one script
    writing     the folder: refused where it holds anything else, stale pages removed by a manifest

The pages are made for reading from disk (`file://`) as well as from any web host: no `fetch`, no modules, and a
Content-Security-Policy that allows the style, the script and images beside the pages and nothing else.

What a test or another program may rely on in the pages (the script uses the same):

    index.html      #search; #filter-chip #filter-architecture #filter-torch #filter-cuda #filter-capability
                    #filter-verdict #filter-source #filter-rows (a checkbox); #clear-filters; #result-count (live
                    region); #results (a table, one `tr[data-card]` a card, `hidden` if it is); #index-data (JSON)
    index.html?q=   q chip architecture torch cuda capability verdict source rows=1: the state of the filters
    gpu/<slug>.html [data-copy="ID"] copies the text of #ID and reports in #copy-status; sections #verdicts #grid
                    #versions #contradictions #speed #evidence #faults #torch #configuration #badge #contribute;
                    #row-<id> one observation; #config-<os>-<client> one configuration (a `details`)
    every page      #theme (a button: system, light, dark; kept in localStorage["hwcompat-theme"]), `html[data-theme]`,
                    a.skip, main#main, `body[data-script="on"]` once the script has run
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hwcompat.model import Row
    from hwcompat.tables import Tables


class Built(NamedTuple):
    """What was written: how many pages and files in all, and the page to open."""

    pages: int
    files: int
    first: Path


def build(out: Path, rows: Iterable[Row], tables: Tables, date: str) -> Built:
    """Write the site for `rows` into `out`; `date` ("2026-11-21") is the day that ages are counted to.

    UsageError where `out` holds anything but an earlier site; MachineError without Jinja2 or where `out` cannot be
    written.
    """
    from . import writing

    folder = writing.claim(out)
    return writing.write(folder, files(rows, tables, date))


def files(rows: Iterable[Row], tables: Tables, date: str) -> Iterator[tuple[str, str]]:
    """(path in the site, text) of every file. MachineError without Jinja2."""
    from . import gathering, pages
    from .shell import Shell

    shell = Shell(date)
    site = gathering.gather(rows, tables, date)
    for kind in pages.kinds():
        yield from pages.outputs(kind, site, shell)
