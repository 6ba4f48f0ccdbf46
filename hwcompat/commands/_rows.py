"""The rows that the subcommands of `matrix` work on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwcompat.console import say
from hwcompat.errors import DataError

if TYPE_CHECKING:
    from hwcompat.model import Row


def chosen_rows(files: tuple[Path, ...]) -> Sequence[Row]:
    """The rows of FILES, or of the packaged, extra and local matrix; warnings go to stderr."""
    from hwcompat import api

    rows, warnings = named_rows(files) if files else api.matrix_rows()
    say(*[f"warning: {warning}" for warning in warnings])
    return rows


def named_rows(files: Iterable[Path]) -> tuple[list[Row], list[str]]:
    """The rows of `files` and a warning a finding; DataError for a file without any usable row."""
    from hwcompat import matrix as matrices

    rows: list[Row] = []
    warnings: list[str] = []
    for path in files:
        found, wrong = matrices.read_rows(path)
        if wrong and not found:
            raise DataError(f"{path} holds no usable row: {wrong[0]}", "compare its header with matrix/README.md")
        rows += found
        warnings += wrong
    return rows, warnings
