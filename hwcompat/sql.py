"""SQL over the matrix, through DuckDB in memory: it reads what was loaded, and nothing else of the machine.

The query comes from anywhere (a forum, a notebook), so before it runs, DuckDB is told to open no file, no address and
no extension, and locked so that no statement takes that back.
https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview
"""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from . import store, tables
from .errors import MachineError, UsageError
from .export import arrow_table, optional
from .model import Row
from .wording import ascii_line

_SETTINGS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "temp_directory": "",  # what does not fit in memory is an error, not a file
    "memory_limit": "2GB",
    "threads": "2",
}
_LOCKS = ("enable_external_access = false", "python_enable_replacements = false", "lock_configuration = true")

_HINT = 'only the matrix can be read: see hwcompat matrix sql "show tables" and "describe rows"'

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Column names, and rows of as many cells."""


class Answer(NamedTuple):
    """Column names, at most `limit` rows of Python values, and whether there are more."""

    names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool


def ask(query: str, rows: Sequence[Row], others: Mapping[str, Table], limit: int, seconds: float = 60.0) -> Answer:
    """The answer of one SELECT over table `rows` and the tables `others`, whose cells are text (null where empty).

    limit: rows returned at most; seconds: how long the query may run. UsageError for SQL that DuckDB refuses, for any
    other statement than a SELECT, and for a query that takes too long; MachineError without DuckDB and pyarrow.
    """
    duckdb = optional("duckdb")
    with closing(duckdb.connect(":memory:", config=dict(_SETTINGS))) as connection:
        _load(connection, rows, others)
        for setting in _LOCKS:
            connection.execute(f"SET {setting}")
        try:
            _refuse_all_but_select(connection.extract_statements(query))
            with _deadline(connection, seconds):
                found = connection.execute(query)
                names = tuple(str(column[0]) for column in found.description or ())
                fetched = found.fetchmany(limit + 1)
        except duckdb.InterruptException:
            raise UsageError(f"the query took longer than {seconds:g} s", "ask for less, or raise --seconds") from None
        except (duckdb.Error, RuntimeError, ValueError, OverflowError) as error:
            raise UsageError(_one_line(error), _HINT) from None
    return Answer(names, tuple(fetched[:limit]), len(fetched) > limit)


def _load(connection: Any, rows: Sequence[Row], others: Mapping[str, Table]) -> None:
    pyarrow = optional("pyarrow")
    loaded = {"rows": arrow_table(rows)}
    for name, (columns, lines) in others.items():
        cells: list[Sequence[str]] = list(zip(*lines, strict=True)) if lines else [()] * len(columns)
        arrays = [pyarrow.array([cell or None for cell in column], pyarrow.string()) for column in cells]
        loaded[name] = pyarrow.Table.from_arrays(arrays, names=list(columns))
    for name, table in loaded.items():
        connection.register("loading", table)
        connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM loading')  # noqa: S608 - names of our own tables
        connection.unregister("loading")


def _refuse_all_but_select(statements: Sequence[Any]) -> None:
    if len(statements) != 1:
        raise UsageError(f"{len(statements)} statements were given", "give one SELECT")
    kind = statements[0].type.name
    if kind != "SELECT":
        raise UsageError(f"{kind} is refused: the matrix is only read", "give one SELECT")


@contextmanager
def _deadline(connection: Any, seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _one_line(error: Exception) -> str:
    """DuckDB's message without the drawing of where in the query it was."""
    message = str(error).split("\n\nLINE ")[0]
    return ascii_line(" ".join(message.split())[:300])


# --- the other tables of matrix/ --------------------------------------------------------------------------------------


def table_files(folders: Sequence[Path]) -> dict[str, Table]:
    """The tables of the folders by name ("gpus"): every *.csv as it stands, and faults.yaml with its lists joined.

    Where two folders have a table, the lines of both stand in it; columns that only one has are empty in the other's.
    """
    found: dict[str, list[Mapping[str, str]]] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.csv")):
            name = path.stem.lower()  # to SQL, GPUS is gpus
            if name.isidentifier() and name != "rows":
                found.setdefault(name, []).extend(_records(path))
    return {name: _as_table(records) for name, records in found.items() if records}


def _records(path: Path) -> list[Mapping[str, str]]:
    try:
        text = store.read_bytes(path).decode("utf-8-sig")
        return [
            {name: cell for name, cell in line.items() if name and isinstance(cell, str)}
            for line in csv.DictReader(io.StringIO(text, newline=""))
        ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MachineError(f"{path} cannot be read: {error}", "restore the file") from None


def _as_table(records: Sequence[Mapping[str, str]]) -> Table:
    names = list(dict.fromkeys(name for record in records for name in record))
    return names, [[record.get(name, "") for name in names] for record in records]


def fault_table(known: tables.Tables) -> Table:
    """faults.yaml as a table: one line a fault, lists joined by spaces, verdicts as "fp16=faulty"."""
    return _as_table([{name: _joined(value) for name, value in fault._asdict().items()} for fault in known.faults])


def _joined(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={each}" for name, each in value.items())
    return " ".join(value) if isinstance(value, tuple) else str(value)


# --- values -----------------------------------------------------------------------------------------------------------


def plain_value(value: Any) -> Any:
    """A value that JSON can hold: numbers, text, lists, objects; days and moments in ISO 8601; no bare NaN."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (float, decimal.Decimal)):
        return float(value) if math.isfinite(value) else "nonfinite"
    if isinstance(value, (datetime.date, datetime.datetime, datetime.time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [plain_value(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): plain_value(each) for name, each in value.items()}
    return value.hex() if isinstance(value, bytes) else str(value)


def cell_text(value: Any) -> str:
    """A value as the text of a cell: empty for null."""
    plain = plain_value(value)
    return "" if plain is None else json.dumps(plain) if isinstance(plain, (bool, list, dict)) else str(plain)
