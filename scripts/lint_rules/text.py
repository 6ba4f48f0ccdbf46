"""Rules about the files as text: every CSV file of the folder, those of results/ too."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator

from hwcompat.tablerows import VERIFIED
from lint_rules import COLUMNS, KEYS, OPTIONAL, Finding, Folder, cells_of, numbers, rule

_MISSING_WORDS = {"nan", "null", "na", "none", "n/a", "not read", "unknown value", "?", "-"}
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?")


@rule
def files_are_plain(folder: Folder) -> Iterator[Finding]:
    """UTF-8 without a byte order mark, LF line ends, a line end at the end, no empty line."""
    for file, content in folder.content.items():
        if content.startswith(b"\xef\xbb\xbf"):
            yield Finding(file, 1, "", "", "begins with a byte order mark", "save the file as UTF-8 without it", file)
        if not content.endswith(b"\n"):
            yield Finding(file, content.count(b"\n") + 1, "", "", "the last line has no end", "add a line end", file)
        for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), 1):
            if b"\r" in line:
                yield Finding(file, number, "", "", "holds a carriage return", "save the file with LF line ends", file)
            if not line.strip():
                yield Finding(file, number, "", "", "is empty", "remove the line", file)
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                yield Finding(file, number, "", ascii(line[:40]), "is not UTF-8", "save the file as UTF-8", file)


@rule
def columns_are_those_of_the_table(folder: Folder) -> Iterator[Finding]:
    """The tables are all there, with the columns that README.md explains, in that order."""
    for file, columns in COLUMNS.items():
        header = ",".join(columns.split())
        lines = folder.lines(file)
        if not lines and file in OPTIONAL and file not in folder.content:
            continue
        if not lines:
            yield Finding(file, 1, "", "", "is missing or empty", f"restore it; its first line is {header}", file)
        elif lines[0] != header:
            yield Finding(file, 1, "", lines[0], "is not the line of columns", f"write {header}", file)


@rule
def a_line_is_a_row(folder: Folder) -> Iterator[Finding]:
    """Each line has a cell for every column, and is quoted as a CSV writer does it."""
    for file in folder.content:
        lines = folder.lines(file)
        width = len(cells_of(lines[0])) if lines else 0
        for number, line in enumerate(lines, 1):
            cells = cells_of(line)
            if not cells or len(cells) != width:
                problem = f"has {len(cells)} cells instead of {width}"
                yield Finding(file, number, "", line, problem, "quote a cell that holds a comma, and break none", line)
            elif _written(cells) != line:
                yield Finding(file, number, "", line, "is quoted otherwise", f"write {_written(cells)}", line)


def _written(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()


@rule
def cells_are_printable(folder: Folder) -> Iterator[Finding]:
    """No tab, no control character, no invisible character."""
    for row in folder.every_row():
        for column, value in row.cells.items():
            if not value.isprintable() or "\ufffd" in value:
                yield row.finding(column, "holds a character that does not print", "remove it")


@rule
def cells_have_no_stray_spaces(folder: Folder) -> Iterator[Finding]:
    """No space at either end of a cell, and no two in a row."""
    for row in folder.every_row():
        for column, value in row.cells.items():
            if value != value.strip() or "  " in value:
                yield row.finding(column, "has a space at an end, or two in a row", "remove it")


@rule
def cells_are_no_formulas(folder: Folder) -> Iterator[Finding]:
    """A spreadsheet would compute a cell that begins with = + - or @."""
    for row in folder.every_row():
        for column, value in row.cells.items():
            if value[:1] in ("=", "+", "-", "@") and value and not _NUMBER.fullmatch(value):
                yield row.finding(column, "begins like a formula", "begin with a letter or a digit")


@rule
def unknown_is_an_empty_cell(folder: Folder) -> Iterator[Finding]:
    """No `nan`, `none` or `n/a`: readers turn those into missing values."""
    for row in folder.every_row():
        for column, value in row.cells.items():
            if value.strip().lower() in _MISSING_WORDS:
                yield row.finding(column, "is a word for 'missing'", "leave the cell empty")


@rule
def remarks_stand_once(folder: Folder) -> Iterator[Finding]:
    """A note or a source does not say one thing twice."""
    for row in folder.every_row():
        for column in {"note", "source"} & row.cells.keys():
            parts = row[column].split("; ")
            twice = {part for part in parts if parts.count(part) > 1}
            if twice:
                yield row.finding(column, f"says twice: {sorted(twice)[0]}", "keep it once")


_ORDER = {
    "gpus.csv": lambda row: (numbers(row["compute_capability"]), row["chip"], row["name"]),
    "torch_builds.csv": lambda row: (
        numbers(row["torch"]),
        row["os"],
        row["arch"],
        numbers(row["build_tag"]),
        row["build_tag"],
    ),
    "cuda_drivers.csv": lambda row: numbers(row["cuda"]),
    "torch_companions.csv": lambda row: numbers(row["torch"]),
    "exact_digests.csv": lambda row: row["key"],
    "lint_exceptions.csv": lambda row: (row["rule"], row["file"], numbers(row["row"]), row["row"], row["column"]),
}


@rule
def rows_are_sorted(folder: Folder) -> Iterator[Finding]:
    """Rows stand in the order of their versions or capabilities, so that a change is a small one."""
    for file, key in _ORDER.items():
        rows = folder.rows(file)
        for before, row in itertools.pairwise(rows):
            if key(row) < key(before):
                yield row.finding(KEYS[file][0], f"stands below {before.name}", "move the line to its place")


@rule
def a_row_stands_once(folder: Folder) -> Iterator[Finding]:
    """No two rows have the same key."""
    for file, columns in KEYS.items():
        seen: dict[str, int] = {}
        for row in folder.rows(file):
            if row.name in seen:
                yield row.finding(columns[0], f"the row of line {seen[row.name]} again", "keep one of them")
            seen[row.name] = row.line


@rule
def verified_is_a_word_of_the_list(folder: Folder) -> Iterator[Finding]:
    """yes, inferred or no."""
    for row in folder.every_row():
        if row.cells.get("verified", "yes") not in VERIFIED:
            yield row.finding("verified", "is none of the words", f"write one of: {', '.join(VERIFIED)}")


_DOCUMENT = re.compile(
    r"https?://\S+"
    r"|\b[\w-]+(\.[\w-]+)*\.(com|org|net|io|dev)/\S+"  # an address without https://
    r"|\b[\w.-]+/[\w.-]+( [\w./ -]*?[\w.-]+\.\w+|#\d+|@[0-9a-f]{6,}| (PR|release)\b)"  # a repository and a place in it
    r"|(^|[\s.])[\w./-]+\.(md|py|sh|bat|csv)\b"  # a file of the project that the row is about
    r"|\bread from (the wheel|an installed torch) \S+"
    r"|\bof the PyPI wheel\b|\bPyPI wheel tags\b|\bPyPI Windows wheels\b|\btorch \d+\.\d+"
    r"|\bscripts/\w+\.py\b"
)
_VAGUE = re.compile(r"\b(memory|unattributed|hearsay|somewhere|I think|chat|private)\b", re.IGNORECASE)


@rule
def rows_are_sourced(folder: Folder) -> Iterator[Finding]:
    """`source` (in results: `url`) holds an address or names a document; memory is none."""
    for row in folder.every_row():
        column = "url" if row.file.startswith("results/") else "source"
        value = row.cells.get(column, "")
        if row.file.startswith("results/") and row.cells.get("source") == "measured":
            continue
        if not _DOCUMENT.search(value):
            yield row.finding(column, "names no document", "give the address of what says so, or name the document")
        elif found := _VAGUE.search(value):
            yield row.finding(column, f"'{found[0]}' is no document", "give the address of what says so")


_VERSION = r"\d+(\.\d+)*"
_SM = r"(sm_\d{2,3}[af]?( (?=.)|$))*"
_YES = "yes|no"
_DRIVER = r"(\d+(\.\d+){0,2})?"
_RATE = r"\d+(\.\d+)?"
VALUES = {
    "speed_limits.csv": {
        "match": r"chip|compute_capability|device",
        "value": r"[A-Z]{2}\d+[A-Z]?|\d{1,2}\.\d|any",
        "fp32_tflops": _RATE,
        "fp16_tflops": _RATE,
        "bandwidth_gbs": _RATE,
    },
    "gpus.csv": {
        "name": r"[^;,]{2,80}",
        "pci_ids": r"(10de:[0-9a-f]{4}(:[0-9a-f]{4}:[0-9a-f]{4})?( (?=.)|$))*",
        "chip": r"G[A-Z]\d+[A-Z]?|TU\d+|AD\d+",
        "architecture": r"[A-Z][a-z]+( [A-Z][a-z]+)?",
        "compute_capability": r"\d{1,2}\.\d",
        "vram_gb": r"(\d+(\.\d+)?( (?=.)|$))*",
        "tensor_cores": _YES,
        "fp16_rate_vs_fp32": r"(\d+(\.\d+)?)?",
        "bf16_native": _YES,
        "fp8": _YES,
        "segment": "geforce|quadro|datacenter|mobile|jetson|cmp",
    },
    "other_gpus.csv": {
        "name": r"[^;,]{2,80}",
        "vendor": "amd|intel|apple",
        "target": r"(gfx[0-9]{1,3}[0-9a-f]{2})?",
    },
    "torch_builds.csv": {
        "torch": r"\d+\.\d+\.\d+",
        "build_tag": r"cpu|cu\d{2,3}|rocm\d+(\.\d+){1,2}",
        "os": "linux|windows|macos",
        "arch": "x86_64|aarch64|arm64",
        "sm_list": rf"{_SM}|(gfx[0-9a-f]+( (?=.)|$))*",
        "ptx_list": _SM,
        "cudnn": rf"({_VERSION})?",
        "python_min": r"3\.\d{1,2}",
        "python_max": r"3\.\d{1,2}",
        "is_default_on_pypi": _YES,
        "release_date": r"(\d{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?",
    },
    "cuda_drivers.csv": {
        "cuda": r"\d+(\.\d+)+",
        "min_driver_linux": _DRIVER,
        "min_driver_windows": _DRIVER,
        "min_driver_linux_minor_compat": _DRIVER,
        "min_driver_windows_minor_compat": _DRIVER,
        "removed_archs": _SM,
        "deprecated_archs": _SM,
    },
    "torch_companions.csv": {
        "torch": r"\d+\.\d+\.\d+",
        "torchvision": r"(\d+\.\d+\.\d+)?",
        "torchaudio": r"(\d+\.\d+\.\d+)?",
    },
    "precision_defaults.csv": {
        "match": "pci_id|chip|compute_capability|architecture|device",
        "fp16_gemm": "native|emulated|fp32-rate|unknown",
        "bf16": "native|emulated|unsupported|unknown",
        "default_amp": "float16|bfloat16|off|unknown",
    },
}


@rule
def value_columns_hold_values(folder: Folder) -> Iterator[Finding]:
    """Versions, words of a list, targets: no prose; remarks belong to `note`."""
    for file, columns in VALUES.items():
        for row in folder.rows(file):
            for column, pattern in columns.items():
                if not re.fullmatch(pattern, row.cells.get(column, "")):
                    yield row.finding(column, "is no value of this column", "see README.md; remarks go to `note`")
