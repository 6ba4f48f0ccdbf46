"""What a rule is and what it finds.

A rule is a function in a file of `rules/`, found by listing that folder; its name is what a finding calls it, its first
docstring line what it demands. A cell rule looks at one cell, a row rule at the cells of the columns it names; both are
pure, so that the answer for the same cells is computed once however many rows hold them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from hwcompat import matrix
from hwcompat.matrix import Column
from hwcompat.tables import Tables

from . import rules

ERROR, NEW = "error", "new"


class Finding(NamedTuple):
    """One thing to correct (`kind` "error"), or a card to be welcomed (`kind` "new"). `line` counts from 1."""

    file: str
    line: int
    column: str
    value: str
    problem: str
    rule: str
    advice: str
    kind: str = ERROR

    def __str__(self) -> str:
        value = self.value if len(self.value) <= 80 else self.value[:77] + "..."
        return f"{self.file}:{self.line}: {self.column}: {value!a}: {self.problem} ({self.rule}); {self.advice}"


class Complaint(NamedTuple):
    """What a rule says of a row, before anybody knows where the row stands."""

    column: str
    value: str
    problem: str
    advice: str
    kind: str = ERROR


class Limit(NamedTuple):
    """A line of speed_limits.csv: what the fastest card of a chip or capability can do at its rated clocks."""

    match: str  # chip | compute_capability | device
    value: str
    fp32_tflops: float
    fp16_tflops: float  # dense 16-bit products with the fastest units and accumulation
    bandwidth_gbs: float


class ProbeFacts(NamedTuple):
    feeds: str
    core: bool


@dataclass(frozen=True, eq=False)
class Facts:
    """What rows are compared with. `today` is the UTC day as YYYY-MM-DD, handed in so that a check can be repeated."""

    tables: Tables
    today: str
    probes: Mapping[str, ProbeFacts]
    dtypes: frozenset[str]
    limits: Mapping[tuple[str, str], Limit]


CellRule = Callable[[Facts, Column, str], tuple[str, str] | None]
RowRule = Callable[..., Iterable[Complaint]]


class NamedRule(NamedTuple):
    """A rule, its name, and the columns whose cells it reads (of a cell rule: those it looks at, one by one)."""

    name: str
    columns: tuple[str, ...]
    check: Any
    demand: str
    remembered: bool


_cell_rules: list[NamedRule] = []
_row_rules: list[NamedRule] = []


def cell_rule(*columns: str) -> Callable[[CellRule], CellRule]:
    """Marks a rule about single cells of `columns` (none named: every column). It gives (problem, advice) or None.

    Empty cells are never shown to it: they are unknown, which is no mistake of the cell.
    """

    def mark(function: CellRule) -> CellRule:
        _cell_rules.append(_named(function, columns or tuple(column.name for column in matrix.COLUMNS), True))
        return function

    return mark


def row_rule(*columns: str, remembered: bool = True) -> Callable[[RowRule], RowRule]:
    """Marks a rule about the cells of `columns`, handed over in that order after the facts.

    remembered  False where nearly every row has other cells: remembering would only cost memory
    """

    def mark(function: RowRule) -> RowRule:
        _row_rules.append(_named(function, columns, remembered))
        return function

    return mark


def _named(function: Any, columns: tuple[str, ...], remembered: bool) -> NamedRule:
    demand = (function.__doc__ or "").strip().splitlines()[0]
    return NamedRule(function.__name__, columns, function, demand, remembered)


@cache
def every_rule() -> tuple[tuple[NamedRule, ...], tuple[NamedRule, ...]]:
    """The cell rules and the row rules, in the order of files and of definition."""
    for module in sorted(pkgutil.iter_modules(rules.__path__), key=lambda each: each.name):
        importlib.import_module(f"{rules.__name__}.{module.name}")
    return tuple(_cell_rules), tuple(_row_rules)
