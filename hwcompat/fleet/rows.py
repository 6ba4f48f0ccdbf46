"""The anonymous rows of a fleet, written into a matrix: the same rows that single machines contribute."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hwcompat import matrix, merging, store
from hwcompat.errors import DataError
from hwcompat.model import Row

_HARMLESS = "column is missing, taken as empty"


def write_file(path: Path, rows: Iterable[Row]) -> int:
    """Replace `path` by these rows, one a card; how many. MachineError where nothing can be written."""
    every = matrix.merge(rows)
    store.write_atomic(path, matrix.to_text(every))
    return len(every)


def add_to_matrix(folder: Path, rows: Iterable[Row]) -> tuple[Path, ...]:
    """Add the rows to the files of a matrix folder, each file locked and replaced at once; the files written.

    As wherever rows are recorded, cards that say the same become one row with several report ids (`merging.merge`).
    DataError, and nothing more is written, where a file holds a line that cannot be read and would be lost.
    """
    by_path: dict[Path, list[Row]] = {}
    for row in rows:
        by_path.setdefault(matrix.row_path(folder, row), []).append(row)
    return tuple(_add(path, by_path[path]) for path in sorted(by_path))


def _add(path: Path, rows: Iterable[Row]) -> Path:
    with store.lock(path):
        store.sweep_temporaries(path)
        present, warnings = matrix.read_rows(path) if path.exists() else ((), ())
        if lost := [text for text in warnings if not text.endswith(_HARMLESS)]:
            raise DataError(f"{lost[0]}; the row file was left alone", "hwcompat matrix validate lists what to correct")
        write_file(path, merging.merge(present, rows))
    return path
