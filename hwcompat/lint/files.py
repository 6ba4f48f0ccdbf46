"""A row file checked from the first byte to the last, one line at a time: memory does not grow with the lines.

Kept are only the id and a hash of each row (about 200 bytes a row), to find those that stand twice.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO

from hwcompat import matrix
from hwcompat.model import Row

from .findings import Complaint, Facts, Finding, NamedRule, every_rule
from .reading import BOM, MAX_FILE, MAX_ROWS, BadLineError, Line, TooLargeError, cells_of, joined, lines_of

_NAMES = tuple(column.name for column in matrix.COLUMNS)
_AT = {name: at for at, name in enumerate(_NAMES)}
_FIX = "hwcompat matrix fix does it"
_LATER = frozenset(("supersedes", "retracted"))
"""Columns that files of the first version lack."""
_MOST_REPLACING = 20_000  # rows that replace others are few; of more, those after these are not followed
_REMEMBERED = 50_000  # answers a rule, forgotten together when there are more: a file may hold any number of values


_VARYING = frozenset(
    (
        *matrix.SPEEDS,
        "driver",
        "exact_digest",
        "fingerprint_digest",
        "url",
        "contributor",
        "date",
        "report_id",
        "supersedes",
        "note",
    )
)
"""Columns that tell rows apart: most others repeat from row to row, and are answered for together."""
_PLAIN = re.compile(r"\d[0-9a-f.-]{0,63}")
"""A digit and what numbers, days and ids go on with: too short, too plain and too clear for the rules on every cell."""

_Found = tuple[tuple[str, Complaint], ...]


class Rules:
    """The rules bound to the facts, with what they answered before. Give one to every file of a run."""

    def __init__(self, facts: Facts) -> None:
        cell_rules, row_rules = every_rule()
        self.facts = facts
        columns = {column.name: _ColumnRules(at, column, cell_rules) for at, column in enumerate(matrix.COLUMNS)}
        apart = [rule for rule in row_rules if not rule.remembered or _VARYING & {*rule.columns}]
        families: dict[str, list[NamedRule]] = {}
        for rule in row_rules:
            if rule not in apart:
                families.setdefault(rule.check.__module__, []).append(rule)
        self._groups = [_Group(_union(rules), rules, columns) for rules in families.values()]
        self._groups.append(_Group([name for name in columns if name not in _VARYING], [], columns))
        self._rest = _Group(list(columns), apart, columns)

    def check(self, cells: list[str]) -> tuple[list[tuple[str, Complaint]], bool]:
        """(rule, complaint) for the cells of a row in column order, and whether the matrix can use the row."""
        found, usable = self._rest.compute(self.facts, cells)
        for group in self._groups:
            key = group.key(cells)
            answer = group.known.get(key)
            if answer is None:
                answer = group.compute(self.facts, cells)
                _remember(group.known, key, answer)
            if answer[0]:
                found, usable = (*found, *answer[0]), usable and answer[1]
        return sorted(found, key=lambda each: _AT.get(each[1].column, 0)) if found else [], usable


def _union(rules: Iterable[NamedRule]) -> list[str]:
    wanted = {name for rule in rules for name in rule.columns}
    return [name for name in _NAMES if name in wanted]


class _Group:
    """Row rules of one family and the cells they read. The cells that no earlier group looked at are its own: making a
    group takes them out of `columns`."""

    def __init__(self, names: list[str], rules: Iterable[NamedRule], columns: dict[str, _ColumnRules]) -> None:
        self.key = _getter(names)
        self.columns = [columns.pop(name) for name in names if name in columns]
        self.rules = [_RowRule(rule) for rule in rules]
        self.known: dict[tuple[str, ...], tuple[_Found, bool]] = {}

    def compute(self, facts: Facts, cells: list[str]) -> tuple[_Found, bool]:
        found: list[tuple[str, Complaint]] = []
        usable = True
        for each in self.columns:
            value = cells[each.at]
            if value:
                answer = each.known.get(value)
                if answer is None:
                    answer = each.answer(facts, value)
                if answer[0]:
                    found += answer[0]
                    usable = usable and answer[1]
        for rule in self.rules:
            found += rule.answer(facts, cells)
        return tuple(found), usable


class _ColumnRules:
    """The cell rules of one column."""

    def __init__(self, at: int, column: matrix.Column, rules: Iterable[NamedRule]) -> None:
        mine = [rule for rule in rules if column.name in rule.columns]
        self.at, self.column = at, column
        self.general = [rule for rule in mine if len(rule.columns) == len(_NAMES)]
        self.own = [rule for rule in mine if rule not in self.general]
        self.known: dict[str, tuple[_Found, bool]] = {}

    def answer(self, facts: Facts, value: str) -> tuple[_Found, bool]:
        rules = self.own if _PLAIN.fullmatch(value) else (*self.general, *self.own)
        answers = [(rule.name, rule.check(facts, self.column, value)) for rule in rules]
        found = tuple((name, Complaint(self.column.name, value, *answer)) for name, answer in answers if answer)
        answer = found, not found or matrix.problem(self.column, value.strip()) is None
        _remember(self.known, value, answer)
        return answer


class _RowRule:
    """A row rule and the places of its cells."""

    def __init__(self, rule: NamedRule) -> None:
        self.rule, self.check, self.cells = rule, rule.check, _getter(rule.columns)
        self.known: dict[tuple[str, ...], _Found] = {}

    def answer(self, facts: Facts, cells: list[str]) -> _Found:
        key = self.cells(cells)
        if not self.rule.remembered:
            return self._ask(facts, key)
        answer = self.known.get(key)
        if answer is None:
            answer = self._ask(facts, key)
            _remember(self.known, key, answer)
        return answer

    def _ask(self, facts: Facts, key: tuple[str, ...]) -> _Found:
        complaints = [*self.check(facts, *key)]
        return tuple((self.rule.name, complaint) for complaint in complaints) if complaints else ()


def _getter(columns: Iterable[str]) -> Callable[[list[str]], tuple[str, ...]]:
    places = [_AT[name] for name in columns]
    if len(places) == 1:
        [place] = places
        return lambda cells: (cells[place],)
    return itemgetter(*places)


def _remember(known: dict[Any, Any], key: Any, answer: Any) -> None:
    if len(known) >= _REMEMBERED:
        known.clear()
    known[key] = answer


class FileCheck:
    """One file. Iterate `findings()` once; `rows` and `usable` count up meanwhile."""

    def __init__(self, path: Path, rules: Rules) -> None:
        self.path, self.name, self.rules = path, str(path), rules
        self.rows = self.usable = 0
        self._ids: dict[str, int] = {}
        self._hashes: dict[int, int] = {}
        self._replacing: dict[int, str] = {}
        self._last: list[str] = []
        self._unsorted = False
        self._carriage_returns = self._blank = 0
        self._file_names: dict[tuple[str, ...], str] = {}

    def findings(self) -> Iterator[Finding]:
        """Every finding in the order of the lines. Never raises for what a file holds or how it cannot be read."""
        try:
            with self.path.open("rb") as file:
                yield from self._guarded(file)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            reason = getattr(error, "strerror", None) or error
            yield self._finding(1, "file", "", f"cannot be read: {reason}", "files_are_readable", "name a row file")

    def _guarded(self, file: BinaryIO) -> Iterator[Finding]:
        status = self.path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size > MAX_FILE:
            problem = f"{status.st_size} bytes, the limit is {MAX_FILE}"
            yield self._finding(1, "file", "", problem, "files_are_small", "split it, one file a chip")
            return
        try:
            yield from self._lines(lines_of(file, MAX_FILE))
        except TooLargeError:
            problem = f"more than {MAX_FILE} bytes"
            yield self._finding(1, "file", "", problem, "files_are_small", "give a file, or split it, one a chip")

    def _lines(self, lines: Iterator[Line]) -> Iterator[Finding]:
        first = next(lines, None)
        if first is None:
            yield self._finding(1, "file", "", "empty", "files_hold_rows", "write the column names and at least a row")
            return
        if first.content.startswith(BOM):
            yield self._finding(1, "file", "", "begins with a byte order mark", "files_are_plain", _FIX)
            first = first._replace(content=first.content.removeprefix(BOM))
        try:
            header = tuple(cells_of(first))
        except BadLineError as bad:
            yield self._bad(1, bad)
            return
        plain = tuple(name.strip() for name in header)
        yield from self._header(plain, header)
        if "gpu" not in plain or len(set(plain)) != len(plain):
            return
        yield from self._body(first, lines, plain)

    def _header(self, names: tuple[str, ...], written: tuple[str, ...]) -> Iterator[Finding]:
        if "gpu" not in names:
            problem = "no column names: the file cannot be read"
            yield self._finding(
                1, "header", ",".join(names), problem, "the_header_is_there", "begin with: gpu,pci_id,..."
            )
            return
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield self._finding(1, name or "header", name, "stands twice", "columns_stand_once", "keep one of them")
        for name in names:
            if name not in _AT:
                yield self._finding(
                    1, name or "header", name, "unknown column", "columns_are_known", "take it out, or upgrade hwcompat"
                )
        missing = [name for name in _NAMES if name not in names and name not in _LATER]
        for name in missing:
            yield self._finding(1, name, "", "column is missing", "no_column_is_missing", _FIX)
        known = [name for name in names if name in _AT]
        if known != [name for name in _NAMES if name in known] or names != written:
            yield self._finding(1, "header", known[0], "not in the order of the schema", "columns_are_in_order", _FIX)

    def _body(self, first: Line, lines: Iterator[Line], header: tuple[str, ...]) -> Iterator[Finding]:
        at = {name: place for place, name in enumerate(header)}
        places = None if header == _NAMES else [at.get(name) for name in _NAMES]
        last = first
        self._carriage_returns = int(first.content.endswith(b"\r"))
        for line in lines:
            last = line
            if self.rows >= MAX_ROWS:
                problem = f"more than {MAX_ROWS} rows"
                yield self._finding(line.number, "file", "", problem, "files_are_small", "split it, one file a chip")
                return
            yield from self._line(line, header, places)
        yield from self._ends(last)

    def _line(self, line: Line, header: tuple[str, ...], places: list[int | None] | None) -> Iterator[Finding]:
        self._carriage_returns += line.content.endswith(b"\r")
        if not line.content.strip(b"\r, \t"):
            if not self._blank:
                yield self._finding(line.number, "line", "", "blank", "no_line_is_blank", _FIX)
            self._blank += 1
            return
        try:
            cells = cells_of(line, header)
            if len(cells) != len(header):
                problem = f"{len(cells)} cells under {len(header)} columns"
                raise BadLineError("line", "", problem, "lines_fill_the_columns", "quote cells that hold a comma")
        except BadLineError as bad:
            yield self._bad(line.number, bad)
            return
        if b'"' in line.content and joined(cells).encode() != line.content.removesuffix(b"\r"):
            yield self._finding(line.number, "line", "", "needless quotes", "quotes_stand_where_needed", _FIX)
        own = cells if places is None else ["" if place is None else cells[place] for place in places]
        yield from self._row(line.number, own)

    def _row(self, number: int, cells: list[str]) -> Iterator[Finding]:
        found, usable = self.rules.check(cells)
        self.rows += 1
        self.usable += usable
        for rule, complaint in found:
            column, value, problem, advice, kind = complaint
            yield Finding(self.name, number, column, value, problem, rule, advice, kind)
        yield from self._order(number, cells)
        yield from self._twins(number, cells)
        yield from self._place(number, cells)

    def _order(self, number: int, cells: list[str]) -> Iterator[Finding]:
        if cells < self._last and not self._unsorted:
            self._unsorted = True  # one line is told: a file sorted by other columns has hundreds
            at = next(at for at, (a, b) in enumerate(zip(cells, self._last, strict=True)) if a != b)
            yield self._finding(number, _NAMES[at], cells[at], "belongs before the line above", "rows_are_sorted", _FIX)
        self._last = cells

    def _twins(self, number: int, cells: list[str]) -> Iterator[Finding]:
        held = self._hashes.setdefault(hash(tuple(cells)), number)
        if held != number:
            yield self._finding(
                number,
                "line",
                "",
                f"the same as line {held}",
                "rows_stand_once",
                "keep one (hwcompat matrix merge does)",
            )
            return
        if cells[_AT["supersedes"]] and len(self._replacing) < _MOST_REPLACING:
            self._replacing[number] = cells[_AT["supersedes"]]
        for report in cells[_AT["report_id"]].split():
            held = self._ids.setdefault(report, number)
            if held != number:
                yield self._finding(
                    number, "report_id", report, f"line {held} has it too and says something else",
                    "report_ids_stand_once", "keep the right row, or give a correction its own id and supersedes",
                )  # fmt: skip

    def _circle(self) -> Iterator[Finding]:
        """One circle of rows that replace one another: each withdraws the next, and none counts."""
        lines = {at: {self._ids.get(one, 0) for one in cell.split()} - {at} for at, cell in self._replacing.items()}
        try:
            TopologicalSorter(lines).prepare()
        except CycleError as error:
            circle = sorted(set(error.args[1]))
            shown = ", ".join(map(str, circle[:8])) + (" ..." if len(circle) > 8 else "")
            yield self._finding(
                circle[-1], "supersedes", self._replacing[circle[-1]],
                f"lines {shown} replace one another, so that none of them counts",
                "rows_replace_in_one_direction", "leave supersedes in the newest row only",
            )  # fmt: skip

    def _place(self, number: int, cells: list[str]) -> Iterator[Finding]:
        if self.path.parent.name != "results":
            return
        key = tuple(cells[_AT[name]] for name in ("chip", "pci_id", "gpu", "source"))
        name = self._file_names.get(key)
        if name is None:
            name = matrix.row_path(Path(), Row(chip=key[0], pci_id=key[1], gpu=key[2], source=key[3])).name
            _remember(self._file_names, key, name)
        if name != self.path.name:
            column = "source" if "reported.csv" in (name, self.path.name) else "chip"
            value = cells[_AT[column]]
            problem = f"belongs into results/{name}"
            yield self._finding(number, column, value, problem, "rows_stand_in_their_file", "move the line there")

    def _ends(self, last: Line) -> Iterator[Finding]:
        if self._carriage_returns:
            problem = f"{self._carriage_returns} lines end in CR LF"
            yield self._finding(1, "file", "", problem, "files_are_plain", f"end lines in LF; {_FIX}")
        yield from self._circle()
        if self._blank > 1:
            problem = f"{self._blank} lines are blank"
            yield self._finding(last.number, "file", "", problem, "no_line_is_blank", _FIX)
        if not last.ended:
            yield self._finding(
                last.number, "line", "", "no line feed at the end", "files_are_plain", f"add it; {_FIX}"
            )
        if last.number == 1:
            yield self._finding(1, "file", "", "no row", "files_hold_rows", "add a row, or take the file out")

    def _bad(self, number: int, bad: BadLineError) -> Finding:
        return self._finding(number, bad.column, bad.value, bad.problem, bad.rule, bad.advice)

    def _finding(self, line: int, column: str, value: str, problem: str, rule: str, advice: str) -> Finding:
        return Finding(self.name, line, column, value, problem, rule, advice)
