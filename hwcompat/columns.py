"""Values in columns that line up: drawn on a terminal, plain ASCII elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .console import give
from .wording import ascii_line

_WIDEST = 120  # characters of one plain cell; JSON and CSV hold all of it


def give_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], output: Path | None, styles: Mapping[str, str] | None = None
) -> None:
    """A drawn table on a terminal, else `plain` text; `styles`: how a cell of that very text is drawn."""
    if output is None and sys.stdout.isatty():
        _draw(headings, rows, styles or {})
    else:
        give(plain(headings, rows), output)


def plain(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """One line a row under a line of headings, cells two spaces apart; printable ASCII only."""
    lines = [[_cell(text) for text in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(text: str) -> str:
    line = ascii_line(text[:_WIDEST])
    return line if len(text) <= _WIDEST and len(line) <= _WIDEST else f"{line[: _WIDEST - 3]}..."


def _draw(headings: Sequence[str], rows: Iterable[Sequence[str]], styles: Mapping[str, str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(Text(_cell(heading)), overflow="fold")
    for row in rows:
        # Text, not markup: a cell comes from anywhere and is shown as it stands.
        table.add_row(*(Text(_cell(text), style=styles.get(text, "")) for text in row))
    Console().print(table)
