"""Rows of the matrix in the formats of other programs: Parquet, SQLite, CSV and JSON. Same rows, same bytes.

Every format holds the rows in canonical order (`matrix.merge`), all columns under their own names:

Parquet  table of text columns (string, null where unknown) and the columns of `matrix.NUMBERS` as double; Zstandard.
         `date` stays text: YYYY-MM-DD sorts as it is, and a day that no calendar has must not end an export.
SQLite   table `rows`: TEXT and, for `matrix.NUMBERS`, REAL; NULL where unknown; indexes on INDEXED.
CSV      a matrix file (`matrix.to_text`): every cell text, empty where unknown.
JSON     a list of objects, one a line: every cell text, "" where unknown.

Bytes are the same for the same rows and the same version of pyarrow or SQLite, which stands in the file.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import matrix, store
from .errors import MachineError, UsageError
from .matrix import NUMBERS
from .model import Row

if TYPE_CHECKING:
    import pandas

INDEXED = ("gpu", "chip", "pci_id", "torch", "cuda", "date", "report_id")
"""Columns of the SQLite table that have an index."""


def export(rows: Iterable[Row], path: Path) -> int:
    """Write `rows` to `path` in the format its ending names, atomically; returns how many after merging.

    UsageError for an ending that is no format; MachineError where pyarrow is missing or nothing can be written.
    """
    encode = _FORMATS.get(path.suffix.lower())
    if encode is None:
        raise UsageError(f"{path.name}: the ending names no format", f"choose of {' '.join(_FORMATS)}")
    merged = matrix.merge(rows)
    store.write_bytes_atomic(path, encode(merged))
    return len(merged)


def optional(package: str) -> Any:
    """The module of an optional package. MachineError with the line that installs it, where it is missing."""
    try:
        return import_module(package)
    except ImportError as error:
        # The packages themselves: the name of the extra means nothing in a clone, where the project is ".".
        hint = 'python -m pip install "duckdb>=1.2" "pyarrow>=18.0"'
        raise MachineError(
            f"this needs {package.partition('.')[0]}, which cannot be imported: {error}", hint
        ) from error


def arrow_table(rows: Sequence[Row]) -> Any:
    """The rows as a pyarrow.Table with the types of the Parquet file. MachineError without pyarrow."""
    pyarrow = optional("pyarrow")
    types = {name: pyarrow.float64() if name in NUMBERS else pyarrow.string() for name in Row._fields}
    arrays = [pyarrow.array(cells, types[name]) for name, cells in _typed_columns(rows)]
    return pyarrow.Table.from_arrays(arrays, schema=pyarrow.schema(list(types.items())))


def _typed_columns(rows: Sequence[Row]) -> Iterator[tuple[str, list[str | float | None]]]:
    columns: Iterable[Sequence[str]] = zip(*rows, strict=True) if rows else [()] * len(Row._fields)
    for name, cells in zip(Row._fields, columns, strict=True):
        yield name, [_typed(name, cell) for cell in cells] if name in NUMBERS else [cell or None for cell in cells]


def _typed(name: str, cell: str) -> str | float | None:
    return (float(cell) if name in NUMBERS else cell) if cell else None


def _parquet(rows: Sequence[Row]) -> bytes:
    buffer = optional("pyarrow").BufferOutputStream()
    optional("pyarrow.parquet").write_table(arrow_table(rows), buffer, compression="zstd")
    content: bytes = buffer.getvalue().to_pybytes()
    return content


def _sqlite(rows: Sequence[Row]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="hwcompat-") as folder:
        path = Path(folder, "rows.sqlite")
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            _fill(connection, rows)
        return path.read_bytes()


def _fill(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    columns = ", ".join(f'"{name}" {"REAL" if name in NUMBERS else "TEXT"}' for name in Row._fields)
    marks = ", ".join("?" * len(Row._fields))
    connection.execute("PRAGMA journal_mode = OFF")  # the file is a temporary one until it is whole
    connection.execute("BEGIN")
    connection.execute(f"CREATE TABLE rows ({columns})")
    cells = ([_typed(name, cell) for name, cell in zip(Row._fields, row, strict=True)] for row in rows)
    connection.executemany(f"INSERT INTO rows VALUES ({marks})", cells)  # noqa: S608 - question marks only
    for name in INDEXED:
        connection.execute(f'CREATE INDEX "rows_{name}" ON rows ("{name}")')
    connection.execute("COMMIT")


def _csv(rows: Sequence[Row]) -> bytes:
    return matrix.to_text(rows).encode("utf-8")


def _json(rows: Sequence[Row]) -> bytes:
    lines = ",\n".join(json.dumps(matrix.cells(row)) for row in rows)
    return f"[\n{lines}\n]\n".encode("ascii") if lines else b"[]\n"


_FORMATS: dict[str, Callable[[Sequence[Row]], bytes]] = {
    ".parquet": _parquet,
    ".sqlite": _sqlite,
    ".csv": _csv,
    ".json": _json,
}
FORMATS = tuple(_FORMATS)


def frame(rows: Sequence[Row]) -> pandas.DataFrame:
    """One line a row: text as it stands (empty stays empty), `NUMBERS` as float with NaN for empty."""
    import pandas

    values = list(zip(*map(matrix.sort_key, rows), strict=True)) or [()] * len(Row._fields)
    columns = {
        name: pandas.Series(list(column), dtype=object) for name, column in zip(Row._fields, values, strict=True)
    }
    for name in NUMBERS:
        columns[name] = columns[name].map(lambda text: float(text) if text else float("nan")).astype(float)
    table: pandas.DataFrame = pandas.DataFrame(columns)
    return table
