"""Rules for rows and row files: what `hwcompat matrix validate` finds and `hwcompat matrix fix` corrects.

    rules = lint.Rules(lint.read_facts("2026-11-21"))
    for finding in lint.check(Path("matrix/results/tu116.csv"), rules): print(finding)

A rule is a function in `rules/` (for cells and rows) or a check of `files.py` (for lines and files). Files may be
hostile: they are read line by line, nothing of them is run, and whatever they hold becomes findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hwcompat.errors import DataError
from hwcompat.matrix import sort_key
from hwcompat.model import Row
from hwcompat.probes import catalogue
from hwcompat.tablefiles import csv_lines
from hwcompat.tables import Tables, load_tables

from .cards import number
from .files import FileCheck, Rules
from .findings import ERROR, NEW, Facts, Finding, Limit, ProbeFacts, every_rule

__all__ = ["ERROR", "NEW", "Facts", "FileCheck", "Finding", "Rules", "check", "check_rows", "every_rule", "read_facts"]


def read_facts(today: str, tables: Tables | None = None) -> Facts:
    """What rows are compared with: the tables (default: the packaged ones), the probes, the limits of speed.

    today  the UTC day as YYYY-MM-DD: no row may be dated after it
    DataError if a table cannot be read.
    """
    tables = tables or load_tables()
    probes = catalogue.listing()
    return Facts(
        tables=tables,
        today=today,
        probes={probe.id: ProbeFacts(probe.feeds, probe.core) for probe in probes},
        dtypes=frozenset(dtype for probe in probes for dtype in probe.dtypes),
        limits={(limit.match, limit.value): limit for limit in _limits(tables)},
    )


def _limits(tables: Tables) -> Iterator[Limit]:
    for folder in tables.folders:
        path = folder / "speed_limits.csv"
        for line, row in csv_lines(path) if path.exists() else ():
            numbers = [number(row.get(name, "")) for name in ("fp32_tflops", "fp16_tflops", "bandwidth_gbs")]
            if not all(numbers):
                raise DataError(f"{path}:{line}: a limit is no positive number", "correct that line")
            yield Limit(row["match"], row["value"], *(each or 0.0 for each in numbers))


def check(path: Path, rules: Rules) -> Iterator[Finding]:
    """Every finding of one file, in the order of its lines. Never raises for what the file holds."""
    return FileCheck(path, rules).findings()


def check_rows(rows: Iterable[Row], rules: Rules) -> Sequence[Finding]:
    """Findings of single rows, before they stand in a file; `line` counts the rows from 1."""
    return tuple(
        Finding(
            "row", number, complaint.column, complaint.value, complaint.problem, rule, complaint.advice, complaint.kind
        )
        for number, row in enumerate(rows, 1)
        for rule, complaint in rules.check(list(sort_key(row)))[0]
    )
