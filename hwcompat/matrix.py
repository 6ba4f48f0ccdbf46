"""The matrix of measured and reported rows: schema, reading, merging, writing. Every cell is text; empty is unknown.

A file is read line by line: a bad line (a stray quote, a NUL, a verdict that does not exist) costs that line, never the
next. What cannot be read is never thrown away: whoever appends to the file keeps it byte for byte.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from . import bulk, merging, store
from .errors import MachineError, UsageError
from .model import BAD_STATUSES, CAPABILITIES, VERDICTS, Row

SPEEDS = (
    "fp32_tflops", "tf32_tflops", "fp16_tflops", "bf16_tflops", "amp_fp16_speedup", "amp_bf16_speedup",
    "bandwidth_gbs",
)  # fmt: skip
"""Columns that hold a measurement; `Report.speed` has the same keys."""
NUMBERS = ("vram_gb", *SPEEDS)

# --- schema -----------------------------------------------------------------------------------------------------------


class Column(NamedTuple):
    """What a cell may hold, if it is not empty: text of at most `limit` characters that `pattern` matches whole."""

    name: str
    kind: str  # text word verdict number digest date pci failures
    limit: int
    pattern: re.Pattern[str] | None = None
    words: tuple[str, ...] = ()


_SHORT, _URL, _IDS, _PROSE = 200, 500, 2048, 8192
MAX_LINE = 131_072
"""Bytes. No line of valid cells is longer: two prose cells, two of ids, a URL and 37 short ones are 28,380 characters,
each at most 4 bytes in UTF-8 (a doubled quote is 2), with 41 commas and 84 quotes 113,645 bytes."""

_WORDS = {
    **dict.fromkeys(CAPABILITIES, VERDICTS),
    "os": ("linux", "windows", "macos", "wsl"),
    "source": ("measured", "reported"),
    "level": ("quick", "standard", "full"),
}
_FAILURE = rf"[^\s:]+:[^\s:]*:(?:{'|'.join(sorted(BAD_STATUSES))})"
_PATTERNS = {
    "number": re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d\d?)?"),
    "digest": re.compile(r"[0-9a-f]{16,64}"),
    "date": re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"),
    "pci": re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}"),
    "failures": re.compile(rf"{_FAILURE}(?: {_FAILURE})*(?: \.\.\.)?"),
}
_KINDS = {
    **dict.fromkeys(NUMBERS, "number"),
    **dict.fromkeys(CAPABILITIES, "verdict"),
    **dict.fromkeys(("exact_digest", "fingerprint_digest"), "digest"),
    **dict.fromkeys(("pci_id", "pci_subsystem"), "pci"),
    **dict.fromkeys(("os", "source", "level"), "word"),
    "date": "date",
    "failures": "failures",
}
_LIMITS = {"failures": _PROSE, "note": _PROSE, "url": _URL, "report_id": _IDS, "supersedes": _IDS}


def _column(name: str) -> Column:
    kind = _KINDS.get(name, "text")
    return Column(name, kind, _LIMITS.get(name, _SHORT), _PATTERNS.get(kind), _WORDS.get(name, ()))


COLUMNS = tuple(_column(name) for name in Row._fields)
_NAMES = tuple(column.name for column in COLUMNS)
_LATER = frozenset(("supersedes", "retracted"))
"""Columns that files of the first version lack: their absence is no finding."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_SPACE = re.compile(rf"(?:{_CONTROL.pattern}|\s)+")
_FORMULA = ("=", "+", "-", "@")
_NOT_A_NUMBER = frozenset(("nan", "-nan", "1.#ind", "1.#qnan", "-1.#ind", "-1.#qnan"))
_MISSING = _NOT_A_NUMBER | {"null", "none", "na", "n/a", "#na", "#n/a", "#n/a n/a", "<na>"}
"""What pandas and spreadsheets read as "no value", in lower case."""


def problem(column: Column, value: str) -> str | None:
    """Why a non-empty cell cannot stand in `column`, or None."""
    if value in column.words:
        return None
    if len(value) > column.limit:
        return f"longer than {column.limit} characters"
    if value.startswith(_FORMULA):
        return f"starts with {value[0]!r}, which a spreadsheet runs as a formula"
    if value.lower() in _MISSING:
        return f"bare {value!r} reads as missing: say nonfinite, or leave the cell empty"
    if column.words:
        return f"{value[:40]!r} is not one of {' '.join(column.words)}"
    if column.pattern and not column.pattern.fullmatch(value):
        return f"{value[:40]!r} is not a {column.kind}"
    return None


def clean(text: str, limit: int = _SHORT) -> str:
    """`text` as a safe cell: one line, no control characters, no bare missing word, no spreadsheet formula, not longer
    than `limit` characters. Cleaning twice changes nothing more."""
    value = _SPACE.sub(" ", text).strip()
    if value.lower() in _MISSING:
        return "nonfinite" if value.lower() in _NOT_A_NUMBER else ""
    if value.startswith(_FORMULA):
        value = f"'{value}"
    return value if len(value) <= limit else value[: limit - 3].rstrip() + "..."


def clean_row(row: Row) -> Row:
    """Every cell cleaned to its column's length."""
    return Row(*(clean(value, column.limit) for column, value in zip(COLUMNS, sort_key(row), strict=True)))


# --- reading ----------------------------------------------------------------------------------------------------------

_Record = tuple[Row, tuple[str, ...]]
"""A row and its cells in columns that this version does not know: they are kept when the file is rewritten."""


class _BadLineError(Exception):
    def __init__(self, column: str, reason: str) -> None:
        super().__init__(column, reason)
        self.column, self.reason = column, reason


class _Layout(NamedTuple):
    """Which cell of a line belongs to which column."""

    header: tuple[str, ...]
    positions: tuple[int | None, ...]  # one for each of COLUMNS
    extra: tuple[int, ...]  # cells of unknown columns

    @property
    def extra_names(self) -> tuple[str, ...]:
        return tuple(self.header[at] for at in self.extra)


class _File(NamedTuple):
    layout: _Layout
    records: tuple[_Record, ...] = ()
    unread: tuple[bytes, ...] = ()  # whole lines without their line feed
    warnings: tuple[str, ...] = ()


def read_rows(path: Path, wanted: Sequence[bulk.Condition] = ()) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The rows of one file, in its order, and a warning "file:line: column: reason" for what is wrong in it.

    UTF-8 with or without BOM, LF or CRLF. Never raises: a file that cannot be read is a warning and no row.
    wanted: lines that cannot satisfy these conditions are left unread, and nothing is said of them.
    """
    try:
        content = store.read_bytes(path)
    except OSError as error:
        return (), (f"{path}:1: file: cannot be read: {error.strerror or error}",)
    parsed = _parse(content, str(path), wanted)
    return tuple(row for row, _ in parsed.records), parsed.warnings


def read_folder(folder: Path) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The rows of every `results/*.csv` of a matrix folder, by file name, and the warnings. No such folder: nothing."""
    return _gather(sorted(Path(folder).joinpath("results").glob("*.csv")))


def load_rows(folders: Sequence[Path]) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The union of several matrix folders (packaged, extra, local) in canonical order, and the warnings."""
    rows, warnings = _gather([file for folder in folders for file in sorted((folder / "results").glob("*.csv"))])
    return merge(rows), warnings


def _gather(files: Iterable[Path]) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    found = [read_rows(file) for file in files]
    return tuple(row for rows, _ in found for row in rows), tuple(text for _, texts in found for text in texts)


def _parse(content: bytes, file: str, wanted: Sequence[bulk.Condition] = ()) -> _File:
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not lines[-1]:
        lines.pop()
    if not lines:
        return _File(_layout(_NAMES))
    try:
        layout = _layout(tuple(cell.strip() for cell in _cells(lines[0])))
    except _BadLineError as bad:
        return _File(_layout(_NAMES), unread=tuple(lines), warnings=(f"{file}:1: {bad.column}: {bad.reason}",))
    return _parse_lines(lines[1:], layout, file, wanted)


def _parse_lines(lines: list[bytes], layout: _Layout, file: str, wanted: Sequence[bulk.Condition] = ()) -> _File:
    unread: list[bytes] = []
    records: list[_Record] = []
    warnings = list(_layout_warnings(layout, file))
    reader, screen = _bulk_reader(layout), bulk.Screen(layout.header, wanted)
    for start in range(0, len(lines), bulk.CHUNK):
        chunk = screen.sifted(lines[start : start + bulk.CHUNK])
        columns = reader.columns(chunk)
        if columns is None:
            _parse_one_by_one(chunk, start + 2, layout, file, (records, unread, warnings))
        else:
            own, extra = columns[: len(COLUMNS)], columns[len(COLUMNS) :]
            rows = map(Row._make, zip(*own, strict=True))
            records += zip(rows, zip(*extra, strict=True) if extra else repeat(()), strict=False)
    return _File(layout, tuple(records), tuple(unread), tuple(warnings))


def _bulk_reader(layout: _Layout) -> bulk.BulkReader:
    usable = [partial(_usable, column) for column in COLUMNS]
    anything = [bool] * len(layout.extra)  # cells of unknown columns are kept as they are
    positions = (*layout.positions, *layout.extra)
    return bulk.BulkReader(len(layout.header), positions, [*usable, *anything], _CONTROL, MAX_LINE)


def _usable(column: Column, value: str) -> bool:
    return problem(column, value) is None


def _parse_one_by_one(
    lines: list[bytes], first: int, layout: _Layout, file: str, found: tuple[list[_Record], list[bytes], list[str]]
) -> None:
    records, unread, warnings = found
    for number, line in enumerate(lines, first):
        try:
            if line.strip(b"\r, \t"):
                records.append(_record(line, layout))
        except _BadLineError as bad:
            unread.append(line)
            warnings.append(f"{file}:{number}: {bad.column}: {bad.reason}")


def _layout(header: tuple[str, ...]) -> _Layout:
    at = {name: index for index, name in enumerate(header)}
    if len(at) != len(header):
        raise _BadLineError("header", "a column stands twice")
    if "gpu" not in at:
        raise _BadLineError(
            "header", "no column 'gpu': a matrix file starts with its column names, separated by commas"
        )
    extra = tuple(index for index, name in enumerate(header) if name not in _NAMES)
    return _Layout(header, tuple(at.get(name) for name in _NAMES), extra)


def _layout_warnings(layout: _Layout, file: str) -> Iterator[str]:
    for name in layout.extra_names:
        yield f"{file}:1: {name[:40]}: unknown column, ignored"
    for name, position in zip(_NAMES, layout.positions, strict=True):
        if position is None and name not in _LATER:
            yield f"{file}:1: {name}: column is missing, taken as empty"


def _record(line: bytes, layout: _Layout) -> _Record:
    cells = list(map(str.strip, _cells(line, layout.header)))
    if len(cells) != len(layout.header):
        raise _BadLineError("line", f"{len(cells)} cells under {len(layout.header)} columns")
    own = ["" if at is None else cells[at] for at in layout.positions]
    for column, value in zip(COLUMNS, own, strict=True):
        if value and (reason := problem(column, value)):
            raise _BadLineError(column.name, reason)
    return Row(*own), tuple(cells[at] for at in layout.extra)


def _cells(line: bytes, header: tuple[str, ...] = ()) -> list[str]:
    if len(line) > MAX_LINE:
        raise _BadLineError("line", f"{len(line)} bytes long, the limit is {MAX_LINE}")
    try:
        text = line.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise _BadLineError("line", f"not UTF-8 at byte {error.start + 1}") from None
    if found := _CONTROL.search(text):
        raise _BadLineError(_where(text, header), f"control character U+{ord(found[0]):04X}")
    return _split(text)


def _split(text: str) -> list[str]:
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise _BadLineError("line", f"broken quotes: {error}") from None


def _where(text: str, header: tuple[str, ...]) -> str:
    """The column of the first control character."""
    try:
        cells = _split(_CONTROL.sub("\x01", text))
    except _BadLineError:
        return "line"
    at = next(index for index, cell in enumerate(cells) if "\x01" in cell)
    return header[at] if at < len(header) else "line"


# --- merging ----------------------------------------------------------------------------------------------------------

sort_key = attrgetter(*_NAMES)
"""A row's cells in column order: the total order of a written file."""
_identity = attrgetter(*(name for name in _NAMES if name not in merging.EDITED))


def merge(*many: Iterable[Row]) -> tuple[Row, ...]:
    """The union of rows in canonical order: idempotent, commutative, associative.

    Rows of one report that differ only in what people add (url, supersedes, note) become one. Rows that share a report
    id and disagree on a fact, on who speaks or on a retraction all stay: dropping one could hide a failure or a voice.
    `merging.merge` also folds re-submissions; `merging.standing` says which rows count.
    """
    return tuple(row for row, _ in _unique((row, ()) for rows in many for row in rows))


def _unique(records: Iterable[_Record]) -> list[_Record]:
    every = list(records)
    times = Counter(row.report_id for row, _ in every)
    kept: set[_Record] = set()
    best: dict[object, _Record] = {}
    for record in every:
        report_id = record[0].report_id
        if not report_id or times[report_id] == 1:
            kept.add(record)
        else:
            key = (_identity(record[0]), merging.thread(record[0]))
            best[key] = _joined(best.get(key, record), record)
    return sorted([*kept, *best.values()])


def _joined(one: _Record, other: _Record) -> _Record:
    """Two records of one measurement as one: cell by cell, which no order of arrival can change."""
    row = Row(*map(max, one[0], other[0]))
    if one[0].supersedes != other[0].supersedes:
        row = row._replace(supersedes=merging.joined(one[0].supersedes, other[0].supersedes))
    return row, tuple(map(max, one[1], other[1]))


# --- writing ----------------------------------------------------------------------------------------------------------

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d|reported|unknown)")  # device names on Windows; our own files


def row_path(folder: Path, row: Row) -> Path:
    """The file of a matrix folder where `row` belongs: by chip ("tu116.csv"), else PCI id ("10de-2182.csv"), else name.

    Reported rows share "reported.csv". Only [a-z0-9_-] of a cell reaches the name, so no cell leaves the folder.
    """
    if row.source == "reported":
        return folder / "results" / "reported.csv"
    names = (_slug(text) for text in (row.chip, row.pci_id, row.gpu))
    return folder / "results" / f"{next(filter(None, names), 'unknown')}.csv"


def _slug(text: str) -> str:
    name = re.sub(r"[^a-z0-9_]+", "-", text.lower()[:60]).strip("-_")
    return "" if _RESERVED.fullmatch(name) else name


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Replace `path` by these rows: same rows, same bytes (merged, sorted, LF). Atomic; hold `store.lock(path)` where
    others write too. UsageError for a row that could not be read back; MachineError where nothing can be written."""
    store.write_atomic(path, to_text(rows))


def to_text(rows: Iterable[Row]) -> str:
    """The content `write_rows` would give a file."""
    return _encode(_NAMES, _layout(_NAMES), [(_checked(row), ()) for row in rows], ()).decode("utf-8")


def append_row(path: Path, row: Row, *, fold: bool = False) -> tuple[str, ...]:
    """`append_rows` of one."""
    return append_rows(path, (row,), fold=fold)


def append_rows(path: Path, rows: Iterable[Row], *, fold: bool = False) -> tuple[str, ...]:
    """Add rows, all or none, to a file that others write to at the same time; the warnings about what stood in it.

    fold: a run that found what a row of the file says already becomes one more report of that row (`merging.merge`).
    Lines and columns this version cannot read are kept. A kill at any moment leaves the old or the new file.
    MachineError where a row cannot be added without making such a line fit columns that are not its own.
    """
    checked = [_checked(row) for row in rows]
    with store.lock(path):
        store.sweep_temporaries(path)
        old = store.read_bytes(path) if path.exists() else b""
        parsed = _parse(old, str(path))
        blank = ("",) * len(parsed.layout.extra)
        added = [(row, blank) for row in checked]
        records = _folded(parsed.records, checked, blank) if fold else [*parsed.records, *added]
        new = _grown(parsed, records, path) if checked else old
        if new != old:
            store.write_bytes_atomic(path, new)
    return parsed.warnings


def _grown(old: _File, records: Sequence[_Record], path: Path) -> bytes:
    """The file with these records. Lines that were not read must not become rows with each cell under a wrong name, as
    other or reordered columns could make them: then the file keeps its own columns."""
    written = set(_unique(records))
    for names in ((*_NAMES, *old.layout.extra_names), old.layout.header):
        new = _encode(names, old.layout, records, old.unread)
        if not old.unread:
            return new
        again = _parse(new, str(path))
        if again.unread == old.unread and set(again.records) == written:
            return new
    problem = f"{path} holds lines that cannot be read and would fit if a row were added"
    raise MachineError(problem, "hwcompat matrix validate names them: correct them, or move the file away")


def _folded(records: Sequence[_Record], rows: Sequence[Row], blank: tuple[str, ...]) -> list[_Record]:
    """`records` and `rows`; of `records` those that one of `rows` is the same row as join it, all others stay."""
    wanted = set(map(merging.same, rows))
    joining = {record for record in records if record[1] == blank and merging.same(record[0]) in wanted}
    others = (record for record in records if record not in joining)
    return [*others, *((one, blank) for one in merging.merge((row for row, _ in joining), rows))]


def _checked(row: Row) -> Row:
    cleaned = clean_row(row)
    for column, value in zip(COLUMNS, sort_key(cleaned), strict=True):
        if value and (reason := problem(column, value)):
            raise UsageError(f"not a row of the matrix: {column.name}: {reason}", "correct that cell")
    return cleaned


def _encode(names: Sequence[str], layout: _Layout, records: Iterable[_Record], unread: Sequence[bytes]) -> bytes:
    """`names`: the columns to write, of the schema and of `layout`, in their order."""
    all_names = (*_NAMES, *layout.extra_names)
    places = [all_names.index(name) for name in names]
    lines: Iterable[Sequence[str]] = ((*sort_key(row), *extra) for row, extra in _unique(records))
    if places != list(range(len(all_names))):
        lines = ([cells[place] for place in places] for cells in lines)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(lines)
    return text.getvalue().encode("utf-8") + b"".join(line + b"\n" for line in unread)


def cells(row: Row) -> dict[str, str]:
    """The row's cells by column name, in column order."""
    return dict(zip(_NAMES, sort_key(row), strict=True))
