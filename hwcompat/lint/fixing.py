"""A row file in its one form: columns in order, rows sorted, cells spelled, LF, quotes only where needed.

No row is lost and none is merged. A line that cannot be read stays at the end of the file, byte for byte, and no column
is added before it is corrected; a cell that is not understood stays as it is.
"""

from __future__ import annotations

from typing import NamedTuple

from hwcompat import matrix
from hwcompat.errors import DataError

from .findings import Facts
from .reading import BOM, BadLineError, Line, cells_of, joined
from .spelled import spelled

MAX_FIX = 256 * 2**20
"""Bytes of a file that is fixed: it is held in memory, with its rows."""
_NAMES = tuple(column.name for column in matrix.COLUMNS)


class Fixed(NamedTuple):
    """`content`: the file as it should be. `unread`: the numbers of the lines that were kept without being read."""

    content: bytes
    rows: int
    unread: tuple[int, ...]


def fixed(content: bytes, facts: Facts, file: str = "the file") -> Fixed:
    """The content of a row file in its one form; fixing twice changes nothing more.

    DataError for a file without readable column names, where nothing can be understood.
    """
    lines = content.removeprefix(BOM).split(b"\n")
    if not lines[-1]:
        lines.pop()
    header = _header(lines, file)
    rows: list[dict[str, str]] = []
    unread: list[tuple[int, bytes]] = []
    for number, line in enumerate(lines[1:], 2):
        if not line.strip(b"\r, \t"):
            continue
        try:
            rows.append(_row(cells_of(Line(number, line, True)), header, facts))
        except BadLineError:
            unread.append((number, line))
    # With other columns a line that was not read could seem to fit, each cell under a wrong name.
    own = [name for name in _NAMES if name in header] if unread else list(_NAMES)
    names = (*own, *(name for name in header if name not in _NAMES))
    ordered = sorted(tuple(row[name] for name in names) for row in rows)
    text = "".join(joined(cells) + "\n" for cells in (names, *ordered))
    kept = b"".join(line + b"\n" for _, line in unread)
    return Fixed(text.encode("utf-8") + kept, len(rows), tuple(number for number, _ in unread))


def _header(lines: list[bytes], file: str) -> tuple[str, ...]:
    try:
        names = tuple(name.strip() for name in cells_of(Line(1, lines[0] if lines else b"", True)))
    except BadLineError as bad:
        raise DataError(f"{file}:1: {bad.column}: {bad.problem}", bad.advice) from None
    if "gpu" not in names:
        raise DataError(f"{file}:1: header: no column 'gpu'", "a matrix file starts with its column names")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{file}:1: {twice[0]}: the column stands twice", "keep one of them")
    return names


def _row(cells: list[str], header: tuple[str, ...], facts: Facts) -> dict[str, str]:
    """The cells by column, spelled: those of the schema, then those of columns it does not know."""
    if len(cells) != len(header):
        raise BadLineError("line", "", "", "lines_fill_the_columns", "")
    by_name = dict(zip(header, map(str.strip, cells), strict=True))
    return {**by_name, **spelled({name: by_name.get(name, "") for name in _NAMES}, facts)}
