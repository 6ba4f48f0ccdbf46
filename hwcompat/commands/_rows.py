"""The rows that the subcommands of `matrix` work on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwcompat.console import say
from hwcompat.errors import DataError

if TYPE_CHECKING:
    from hwcompat.bulk import Condition
    from hwcompat.model import Row


def chosen_rows(files: tuple[Path, ...], wanted: Sequence[Condition] = ()) -> Sequence[Row]:
    """The rows of FILES, or of the packaged, extra and local matrix; warnings go to stderr.

    wanted: what the caller will ask of the rows: lines of FILES that cannot satisfy it need not be read.
    """
    from hwcompat import api

    rows, warnings = named_rows(files, wanted) if files else api.matrix_rows()
    say(*[f"warning: {warning}" for warning in warnings])
    return rows


def named_rows(files: Iterable[Path], wanted: Sequence[Condition] = ()) -> tuple[list[Row], list[str]]:
    """The rows of `files` and a warning a finding; DataError for a file without any usable row."""
    from hwcompat import matrix as matrices

    rows: list[Row] = []
    warnings: list[str] = []
    for path in files:
        found, wrong = matrices.read_rows(path, wanted)
        if wanted and wrong and not found and matrices.read_rows(path)[0]:
            continue  # a usable file without a row that is wanted
        if wrong and not found:
            raise DataError(f"{path} holds no usable row: {wrong[0]}", "correct that line; see matrix/README.md")
        rows += found
        warnings += wrong
    return rows, warnings
