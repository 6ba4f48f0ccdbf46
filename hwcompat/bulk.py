"""Reading many lines of a CSV file at once: what is clean goes through column by column, the rest is refused whole.

A caller that is refused reads those lines one by one, which finds the line and the column at fault. So the rules stay
in one place, and a file of a million good lines is read in seconds.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

CHUNK = 1024
"""Lines read together: one bad line makes its chunk slow, and only that."""

_KNOWN_LIMIT = 20_000
"""Values of one column that are remembered; a column of ids has as many as there are rows."""

_ASCII_CONTROLS = bytes([*range(10), *range(11, 32), 127])  # all but the line feed


class BulkReader:
    """Checks and cleans cells, remembering per column what was seen; equal cells become one string in memory.

    `positions`: for each wanted column the place of its cell, None where the file lacks it. `usable[n](text)`: whether
    a stripped, non-empty cell may stand in wanted column n. `control`: the characters no cell may hold.
    """

    def __init__(
        self,
        width: int,
        positions: Sequence[int | None],
        usable: Sequence[Callable[[str], bool]],
        control: re.Pattern[str],
        longest_line: int,
    ) -> None:
        self._width, self._positions, self._usable = width, positions, usable
        self._control, self._longest = control, longest_line
        self._known: list[dict[str, str]] = [{} for _ in positions]

    def columns(self, lines: Sequence[bytes]) -> list[Sequence[str]] | None:
        """The cells of the wanted columns, one sequence a column over the lines that are not blank.

        None: something in these lines is not clean. No line: no cell in any column.
        """
        records = self._records(lines)
        if records is None or set(map(len, records)) - {self._width}:
            return None
        found = list(zip(*records, strict=True)) if records else [()] * self._width
        own: list[Sequence[str]] = []
        for at, known, usable in zip(self._positions, self._known, self._usable, strict=True):
            cleaned = [""] * len(records) if at is None else _cleaned(found[at], known, usable)
            if cleaned is None:
                return None
            own.append(cleaned)
        return own

    def _records(self, lines: Sequence[bytes]) -> list[list[str]] | None:
        text = self._text(lines)
        if text is None:
            return None
        whole = (line for line in text.split("\n") if line.strip(", \t"))
        try:
            return [next(csv.reader([line], strict=True)) if '"' in line else line.split(",") for line in whole]
        except csv.Error:
            return None

    def _text(self, lines: Sequence[bytes]) -> str | None:
        if max(map(len, lines), default=0) > self._longest:
            return None
        whole = b"\n".join(lines).removesuffix(b"\r")
        if b"\r" in whole:
            whole = whole.replace(b"\r\n", b"\n")
        if len(whole.translate(None, _ASCII_CONTROLS)) != len(whole):
            return None
        try:
            text = whole.decode("utf-8")
        except UnicodeDecodeError:
            return None
        harmless = text.isascii() or not self._control.search(text.replace("\n", ""))
        return text if harmless else None


def _cleaned(cells: Sequence[str], known: dict[str, str], usable: Callable[[str], bool]) -> Sequence[str] | None:
    if len(known) > _KNOWN_LIMIT:
        known.clear()
    for cell in set(cells).difference(known):
        value = cell.strip()
        if value and not usable(value):
            return None
        known[cell] = value
    return list(map(known.__getitem__, cells))


# --- leaving lines out before they are read ---------------------------------------------------------------------------


class Condition(NamedTuple):
    """A row satisfies it if any of these columns holds an accepted value, which never is the empty one.

    `word`: text that every line with an accepted value holds, if there is one: it makes the search faster.
    """

    columns: tuple[str, ...]
    accepts: Callable[[str], bool]
    word: str = ""


class Screen:
    """Blanks the lines that cannot satisfy every condition, from a first look at their bytes.

    What is left may still fail a condition (quoted cells, broken lines): whoever reads it asks again. Lines keep their
    places, so that findings name the right one; of a line that is blanked nothing is found.
    """

    def __init__(self, header: Sequence[str], conditions: Sequence[Condition]) -> None:
        places = ([header.index(name) for name in one.columns if name in header] for one in conditions)
        tests = [(max(at, default=-1), at, one.accepts) for at, one in zip(places, conditions, strict=True)]
        self._words = [one.word.encode("ascii") for one in conditions if one.word]
        self._tests = [(last, at, _Remembered(accepts)) for last, at, accepts in sorted(tests, key=itemgetter(0))]

    def sifted(self, lines: list[bytes]) -> list[bytes]:
        """The lines with an empty one in place of each that cannot satisfy the conditions."""
        for word in self._words:
            lines = [line if word in line else b"" for line in lines]
        for last, places, known in self._tests:
            lines = _sifted(lines, last, itemgetter(*places), known) if places else [b""] * len(lines)
        return lines


class _Remembered(dict[Any, bool]):
    """Whether a cell, or any of a tuple of cells, is accepted; asked once for each that occurs."""

    def __init__(self, accepts: Callable[[str], bool]) -> None:
        super().__init__()
        self._accepts = accepts

    def __missing__(self, key: bytes | tuple[bytes, ...]) -> bool:
        if len(self) > _KNOWN_LIMIT:
            self.clear()
        found = self[key] = any(map(self._may, key if isinstance(key, tuple) else (key,)))
        return found

    def _may(self, cell: bytes) -> bool:
        try:
            value = cell.decode("utf-8").strip()
        except UnicodeDecodeError:
            return True  # whoever reads the line says so
        return bool(value) and self._accepts(value)


def _sifted(lines: list[bytes], last: int, pick: Callable[[list[bytes]], Any], known: _Remembered) -> list[bytes]:
    def may(line: bytes) -> bool:
        try:
            return _is_quoted(line, last) or known[pick(line.split(b",", last + 1))]
        except IndexError:  # too few cells, which whoever reads the line says
            return True

    try:
        return [
            line if line and (known[pick(line.split(b",", last + 1))] or (b'"' in line and may(line))) else b""
            for line in lines
        ]
    except IndexError:
        return [line if line and may(line) else b"" for line in lines]


def _is_quoted(line: bytes, last: int) -> bool:
    """Whether a quote stands in the cells up to `last`: then commas may be part of a cell."""
    rest = line.split(b",", last + 1)[last + 1 :]
    return b'"' in line[: len(line) - len(rest[0])] if rest else b'"' in line
