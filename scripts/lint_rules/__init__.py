"""What the rules of scripts/lint_tables.py share: the files of a matrix folder, rows, findings, exceptions.

A rule is a function in a file of this folder, marked `@rule`: it takes a Folder and yields Findings. Its name is what
matrix/lint_exceptions.csv calls it. `every_rule()` finds the rules by listing the folder.
"""

from __future__ import annotations

import csv
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from hwcompat.errors import DataError
from hwcompat.tablefiles import yaml_list

COLUMNS: Mapping[str, str] = {
    "gpus.csv": "name pci_ids chip architecture compute_capability vram_gb tensor_cores fp16_rate_vs_fp32 bf16_native"
    " fp8 segment source verified note",
    "aliases.csv": "alias name used_by source verified note",
    "other_gpus.csv": "name vendor target source verified note",
    "torch_builds.csv": "torch build_tag os arch sm_list ptx_list cudnn python_min python_max is_default_on_pypi"
    " release_date source verified note",
    "cuda_drivers.csv": "cuda min_driver_linux min_driver_windows min_driver_linux_minor_compat"
    " min_driver_windows_minor_compat removed_archs deprecated_archs source verified note",
    "torch_companions.csv": "torch torchvision torchaudio source verified note",
    "precision_defaults.csv": "match value fp16_gemm bf16 default_amp because source",
    "exact_digests.csv": "key digest source",
    "speed_limits.csv": "match value fp32_tflops fp16_tflops bandwidth_gbs source verified note",
    "lint_exceptions.csv": "rule file row column reason source",
}
OPTIONAL = {"aliases.csv", "other_gpus.csv", "speed_limits.csv"}
KEYS: Mapping[str, tuple[str, ...]] = {
    "gpus.csv": ("name", "chip"),
    "aliases.csv": ("alias", "name"),
    "other_gpus.csv": ("name",),
    "torch_builds.csv": ("torch", "build_tag", "os", "arch"),
    "cuda_drivers.csv": ("cuda",),
    "torch_companions.csv": ("torch",),
    "precision_defaults.csv": ("match", "value"),
    "exact_digests.csv": ("key",),
    "speed_limits.csv": ("match", "value"),
    "lint_exceptions.csv": ("rule", "file", "row", "column"),
}


class Row(NamedTuple):
    """A row of a table: where it stands, and its cells by column."""

    file: str
    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: Any) -> Any:
        return self.cells[column]

    @property
    def name(self) -> str:
        """What lint_exceptions.csv calls this row: the cells of its key."""
        return " ".join(self.cells.get(column, "") for column in KEYS.get(self.file, ()))

    def finding(self, column: str, problem: str, advice: str, row: str = "") -> Finding:
        return Finding(self.file, self.line, column, self.cells.get(column, ""), problem, advice, row or self.name)


class Finding(NamedTuple):
    """One thing to correct. `row` is its name for lint_exceptions.csv; `rule` is filled in by the program."""

    file: str
    line: int
    column: str
    value: str
    problem: str
    advice: str
    row: str
    rule: str = ""

    def __str__(self) -> str:
        value = self.value if len(self.value) <= 80 else self.value[:77] + "..."
        return f"{self.file}:{self.line}: {self.column}: {value!a}: {self.problem}; {self.advice} [{self.rule}]"


Rule = Callable[["Folder"], Iterable[Finding]]
_rules: list[Rule] = []


def rule(function: Rule) -> Rule:
    """Marks a function as a rule; its first docstring line says what it demands."""
    _rules.append(function)
    return function


def every_rule() -> list[Rule]:
    """The rules of all files of this folder, in the order of files and of definition."""
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda each: each.name):
        importlib.import_module(f"{__name__}.{module.name}")
    return list(_rules)


class Folder:
    """A matrix folder. Rows are what a CSV reader makes of the files; `content` is their bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def content(self) -> Mapping[str, bytes]:
        """The bytes of every CSV file, also of results/, by name; raises DataError if one cannot be read."""
        files = sorted([*self.path.glob("*.csv"), *(self.path / "results").glob("*.csv")])
        try:
            return {file.relative_to(self.path).as_posix(): file.read_bytes() for file in files}
        except OSError as error:
            raise DataError(f"{self.path}: {error}", "name the folder of the tables") from None

    def lines(self, file: str) -> list[str]:
        """The lines of a file without their ends; bytes that are no UTF-8 become U+FFFD."""
        text = self.content.get(file, b"").decode("utf-8", "replace")
        return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []

    def rows(self, file: str) -> list[Row]:
        """The rows that have a cell for each column; none where the columns are not those of the table."""
        if file not in self._rows:
            self._rows[file] = self._read(file)
        return self._rows[file]

    @cached_property
    def _rows(self) -> dict[str, list[Row]]:
        return {}

    def _read(self, file: str) -> list[Row]:
        header, *lines = [cells_of(line) for line in self.lines(file)] or [[]]
        if header != COLUMNS.get(file, " ".join(header)).split():
            return []
        numbered = enumerate(lines, 2)
        return [
            Row(file, n, dict(zip(header, cells, strict=True))) for n, cells in numbered if len(cells) == len(header)
        ]

    def every_row(self) -> Iterator[Row]:
        for file in self.content:
            yield from self.rows(file)

    @cached_property
    def faults(self) -> list[tuple[int, Mapping[str, Any]]]:
        """(line, entry) of faults.yaml; none where it is no list of entries, which `rows_can_be_used` tells."""
        try:
            found = yaml_list(self.path / "faults.yaml", "faults")
        except DataError:
            return []
        return [(line, entry) for line, entry in found if isinstance(entry, dict)]


def cells_of(line: str) -> list[str]:
    """The cells of one line; [] if it cannot be split."""
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []


def numbers(version: str) -> tuple[int, ...]:
    """The numbers in a version or target, for ordering: "2.10.0" -> (2, 10, 0), "sm_100" -> (100,)."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
