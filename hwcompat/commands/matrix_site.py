"""`hwcompat matrix site`."""

from __future__ import annotations

import os
import time
from datetime import date as day
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hwcompat.console import say
from hwcompat.errors import UsageError

from ._rows import named_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwcompat.model import Row
    from hwcompat.tables import Tables


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--matrix",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A matrix folder whose tables and rows are meant instead of the packaged ones.",
)
@click.option("--local", is_flag=True, help="With the rows that were recorded on this machine and not contributed.")
@click.option("--date", "today", metavar="DAY", help="The day of the site; default: SOURCE_DATE_EPOCH, or today.")
def site(out: Path, files: tuple[Path, ...], folder: Path | None, local: bool, today: str | None) -> None:
    """Write the matrix as static pages into the folder OUT: of row FILES, or of the packaged and extra matrix.

    The pages need no server and load nothing from elsewhere. OUT is new, empty or an earlier site.
    """
    from hwcompat import site as sites
    from hwcompat import tables

    started = time.monotonic()
    date = _date(today)
    data = tables.load_tables(folder)
    rows = _rows(files, data, local)
    built = sites.build(out, rows, data, date)
    say(
        f"wrote {built.pages} pages, {built.files} files in all, of {len(rows)} rows to {out} "
        f"in {time.monotonic() - started:.1f} s",
        f"next: open {built.first} in a browser, or copy the folder to any web host",
    )


def _date(given: str | None) -> str:
    """The day that ages are counted to."""
    if given is None:
        epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
        moment = datetime.fromtimestamp(int(epoch), timezone.utc) if epoch.isdigit() else datetime.now(timezone.utc)
        return moment.date().isoformat()
    try:
        return day.fromisoformat(given).isoformat()
    except ValueError:
        raise UsageError(f"{given!r} is not a day", "write --date 2026-11-21") from None


def _rows(files: tuple[Path, ...], data: Tables, local: bool) -> Sequence[Row]:
    """Rows that were published, unless this machine's own are asked for."""
    from hwcompat import matrix as matrices
    from hwcompat import store

    if files:
        rows, warnings = named_rows(files)
    else:
        folders = [*data.folders, *([store.home() / "matrix"] if local else [])]
        found, told = matrices.load_rows(tuple(dict.fromkeys(folders)))
        rows, warnings = list(found), list(told)
    say(*[f"warning: {warning}" for warning in warnings])
    return rows
