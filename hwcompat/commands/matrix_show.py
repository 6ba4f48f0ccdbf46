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
    from collections.abc import Mapping, Sequence

    from hwcompat.consensus import Consensus
    from hwcompat.model import Row
    from hwcompat.query import Key

_STYLES = {"ok": "green", "faulty": "bold red", "slow": "yellow", "emulated": "yellow", "unsupported": "dim"}


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@filter_options
@click.option("--sort", metavar="COLUMNS", help="Columns to sort by, with - for the largest first: -date,gpu.")
@click.option("--limit", type=click.IntRange(min=1), help="Show at most so many rows.")
@click.option(
    "--together", is_flag=True, help="One line a card and build: what its rows say together, how many and how old."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@output_option
def show(
    files: tuple[Path, ...],
    sort: str | None,
    limit: int | None,
    together: bool,
    as_csv: bool,
    as_json: bool,
    output: Path | None,
    **filters: Any,
) -> None:
    """Show rows: of FILES, or of the packaged, extra and local matrix."""
    from hwcompat import query

    if together and as_csv:
        raise click.UsageError("--together has no CSV form: take --json")
    wanted = chosen_filter(filters)
    asked = query.conditions(wanted)  # a filter that cannot be meant is told before anything is read
    rows = chosen_rows(files, () if together else asked)
    if together:
        from hwcompat import merging

        rows = merging.standing(rows)  # of all of them: a row can be withdrawn by one about another card
    found = query.select(rows, wanted)
    if sort:
        found = query.ordered(found, sort)
    if together:
        _give_together(found, limit, as_json, output)
    else:
        _give_rows(found, limit, as_json, as_csv, bool(sort), output)


def _give_rows(
    found: Sequence[Row], limit: int | None, as_json: bool, as_csv: bool, as_sorted: bool, output: Path | None
) -> None:
    from hwcompat import matrix as matrices
    from hwcompat import query

    shown = found[:limit]
    if as_json:
        give(json.dumps([matrices.cells(row) for row in shown], indent=2), output)
    elif as_csv:
        give(query.csv_text(shown) if as_sorted else matrices.to_text(shown), output)
    elif output is None and sys.stdout.isatty():
        _draw(shown)
    else:
        give("\n".join(map(row_line, shown)) or "no row", output)
    if len(shown) < len(found):
        say(f"{len(shown)} of {len(found)} rows shown")


def _give_together(found: Sequence[Row], limit: int | None, as_json: bool, output: Path | None) -> None:
    from datetime import datetime, timezone

    from hwcompat import cardnames, columns, query, tables
    from hwcompat.consensus import consensus_of

    groups = query.together(found, cardnames.card_of_row(tables.load_tables()))
    today = datetime.now(timezone.utc).date().isoformat()
    said = {
        key: {name: consensus_of(rows, name) for name in CAPABILITIES if any(getattr(row, name) for row in rows)}
        for key, rows in list(groups.items())[:limit]
    }
    if as_json:
        give(json.dumps([_together_json(key, cells) for key, cells in said.items()], indent=2), output)
    else:
        judged = [name for name in CAPABILITIES if any(name in cells for cells in said.values())]
        lines = [[*key, *(_together_cell(cells.get(name), today) for name in judged)] for key, cells in said.items()]
        columns.give_table(["card", "os", "torch", "cuda", *judged], lines, output)
    if len(said) < len(groups):
        say(f"{len(said)} of {len(groups)} cards and builds shown")


def _together_cell(one: Consensus | None, today: str) -> str:
    """ "ok 3x 12d": the verdict, how many reports, days since the newest; what they say where it is not only that.

    A ! marks rows that contradict each other."""
    if one is None:
        return ""
    age = one.age_days(today)
    verdict = one.outcome if one.outcome == "suspected" else one.verdict
    doubt = " !" if one.contradicted or one.digests else ""
    told = ", ".join(f"{count} {word}" for word, count in one.counts.items())
    count = f"{one.observations}x" if set(one.counts) == {verdict} else f"({told})"
    return f"{verdict} {count} {'undated' if age is None else f'{age}d'}{doubt}"


def _together_json(key: Key, cells: Mapping[str, Consensus]) -> dict[str, Any]:
    names = ("verdict", "outcome", "votes", "counts", "observations", "measured", "voices", "oldest", "newest")
    said = {
        name: {
            **{field: getattr(one, field) for field in names},
            "contradicted": one.contradicted,
            "explanations": [each._asdict() for each in one.explanations],
            "digests_disagree": bool(one.digests),
        }
        for name, one in cells.items()
    }
    return {**key._asdict(), "capabilities": said}


def row_line(row: Row) -> str:
    """One row as one line of ASCII: when and by whom, card, place, verdicts, link."""
    from hwcompat.wording import ascii_line

    verdicts = " ".join(f"{name}={getattr(row, name)}" for name in CAPABILITIES if getattr(row, name))
    place = " ".join(part for part in (row.os, row.torch, row.cuda) if part)
    withdrawn = f"  [retracted: {row.retracted}]" if row.retracted else ""
    card = f"{row.gpu} [{row.chip}]" if row.chip else row.gpu
    text = f"{row.date or '----------'}  {row.source:8}  {card}  {place}  {verdicts}  {row.url}"
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
