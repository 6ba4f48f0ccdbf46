"""`hwcompat matrix show`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwcompat.console import give, json_option, output_option, say
from hwcompat.model import CAPABILITIES

from ._filters import chosen_filter, filter_options
from ._rows import chosen_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwcompat.model import Row

_STYLES = {"ok": "green", "faulty": "bold red", "slow": "yellow", "emulated": "yellow", "unsupported": "dim"}


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@filter_options
@click.option("--sort", metavar="COLUMNS", help="Columns to sort by, with - for the largest first: -date,gpu.")
@click.option("--limit", type=click.IntRange(min=1), help="Show at most so many rows.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@output_option
def show(
    files: tuple[Path, ...],
    sort: str | None,
    limit: int | None,
    as_csv: bool,
    as_json: bool,
    output: Path | None,
    **filters: Any,
) -> None:
    """Show rows: of FILES, or of the packaged, extra and local matrix."""
    from hwcompat import matrix as matrices
    from hwcompat import query

    wanted = chosen_filter(filters)
    query.conditions(wanted)  # a filter that cannot be meant is told before anything is read
    found = query.select(chosen_rows(files), wanted)
    if sort:
        found = query.ordered(found, sort)
    shown = found[:limit]
    if as_json:
        give(json.dumps([matrices.cells(row) for row in shown], indent=2), output)
    elif as_csv:
        give(query.csv_text(shown) if sort else matrices.to_text(shown), output)
    elif output is None and sys.stdout.isatty():
        _draw(shown)
    else:
        give("\n".join(map(row_line, shown)) or "no row", output)
    if len(shown) < len(found):
        say(f"{len(shown)} of {len(found)} rows shown")


def row_line(row: Row) -> str:
    """One row as one line of ASCII: when and by whom, card, place, verdicts, link."""
    from hwcompat.wording import ascii_line

    verdicts = " ".join(f"{name}={getattr(row, name)}" for name in CAPABILITIES if getattr(row, name))
    place = " ".join(part for part in (row.os, row.torch, row.cuda) if part)
    withdrawn = f"  [retracted: {row.retracted}]" if row.retracted else ""
    text = f"{row.date or '----------'}  {row.source:8}  {row.gpu} [{row.chip}]  {place}  {verdicts}  {row.url}"
    return ascii_line(text + withdrawn)


def _draw(rows: Sequence[Row]) -> None:
    from hwcompat import columns

    judged = [name for name in CAPABILITIES if any(getattr(row, name) for row in rows)]
    headings = ["date", "source", "card", "chip", "os", "torch", "cuda", *judged]
    lines = [
        [row.date, "retracted" if row.retracted else row.source, *row_place(row), *(getattr(row, n) for n in judged)]
        for row in rows
    ]
    columns.give_table(headings, lines, None, _STYLES)
    say(f"{len(rows)} rows")


def row_place(row: Row) -> tuple[str, ...]:
    """Card, chip, system and build of a row."""
    return row.gpu, row.chip, row.os, row.torch, row.cuda
