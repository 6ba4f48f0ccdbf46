"""The anonymous rows of a fleet, written into a matrix: the same rows that single machines contribute."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hwcompat import matrix, store
from hwcompat.model import Row


def write_file(path: Path, rows: Iterable[Row]) -> int:
    """Replace `path` by these rows, one a card; how many. MachineError where nothing can be written."""
    every = matrix.merge(rows)
    store.write_atomic(path, matrix.to_text(every))
    return len(every)


def add_to_matrix(folder: Path, rows: Iterable[Row]) -> tuple[Path, ...]:
    """Add the rows to the files of a matrix folder, each file locked and replaced at once; the files written.

    As wherever rows are recorded, cards that say the same become one row with several report ids (`merging.merge`).
    Lines of a file that cannot be read stay in it. MachineError as `matrix.append_rows`.
    """
    by_path: dict[Path, list[Row]] = {}
    for row in rows:
        by_path.setdefault(matrix.row_path(folder, row), []).append(row)
    for path in sorted(by_path):
        matrix.append_rows(path, by_path[path], fold=True)
    return tuple(sorted(by_path))
