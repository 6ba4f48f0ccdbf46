"""`hwcompat matrix stats`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hwcompat.console import give, json_option, output_option

from ._rows import chosen_rows

if TYPE_CHECKING:
    from hwcompat.coverage import Coverage, Wanted

_MOST = 12  # values of one column that a person reads; JSON has all


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="Wanted chips to list.")
@json_option
@output_option
def stats(files: tuple[Path, ...], limit: int, as_json: bool, output: Path | None) -> None:
    """Tell what the rows cover, and which cards and releases of torch nobody has measured: the wanted list.

    Of FILES, or of the packaged, extra and local matrix. Cards that most people reported on come first.
    """
    from hwcompat import coverage, tables

    rows = chosen_rows(files)
    counted, lacking = coverage.coverage(rows), coverage.wanted(rows, tables.load_tables())
    if as_json:
        wanted = [one._asdict() for one in lacking]
        give(json.dumps({**counted._asdict(), "wanted": wanted}, indent=2), output)
    else:
        give("\n".join([*_lines(counted), *_wanted_lines(lacking, limit)]), output)


def _lines(counted: Coverage) -> Iterator[str]:
    yield (
        f"{counted.rows} rows count ({counted.measured} measured, {counted.reported} reported), "
        f"{counted.observations} reports, {counted.contributors} named contributors, {counted.withdrawn} withdrawn"
    )
    if counted.newest:
        yield f"from {counted.oldest} to {counted.newest}"
    for name, values in counted.by.items():
        yield f"by {name}: {_most(values)}"


def _most(values: Mapping[str, int]) -> str:
    from hwcompat.wording import ascii_line

    told = [f"{value} {count}" for value, count in list(values.items())[:_MOST]]
    rest = sum(list(values.values())[_MOST:])
    return ascii_line(", ".join([*told, *([f"{len(values) - _MOST} more with {rest}"] if rest else [])])) or "none"


def _wanted_lines(lacking: tuple[Wanted, ...], limit: int) -> Iterator[str]:
    from hwcompat import columns

    yield f"wanted: {len(lacking)} chips lack measured rows with current releases of torch"
    table = [
        (one.chip, one.compute_capability, f"{one.reports:g}", str(one.measured), " ".join(one.torch), _cards(one))
        for one in lacking[:limit]
    ]
    if table:
        headings = ("chip", "capability", "reports", "measured", "torch to measure", "cards")
        yield columns.plain(headings, table)
        yield "to fill a line, on a machine with such a card: hwcompat probe, then hwcompat contribute"


def _cards(one: Wanted) -> str:
    more = f" and {len(one.cards) - 2} more" if len(one.cards) > 2 else ""
    return ", ".join(one.cards[:2]) + more
