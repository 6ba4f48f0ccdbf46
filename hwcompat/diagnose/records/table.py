"""CSV tables: results.csv of Ultralytics and YOLOv5, metrics.csv of Lightning, or any table with a column of losses."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hwcompat.diagnose.record import LONGEST_LINE, MOST_POINTS, Point, Record, number, text_lines
from hwcompat.errors import DataError

STEPS = ("epoch", "step")


def recognises(name: str, head: bytes) -> int:
    first = head.partition(b"\n")[0].lower()
    return 2 * (b"," in first and (b"loss" in first or b"epoch" in first)) + 2 * name.lower().endswith(".csv")


def read(path: Path, messages: Sequence[Any] = (), notice: Any = None) -> Record:
    """DataError for a table without a header that names a loss or a metric."""
    rows = _rows(path)
    header = [name.strip() for name in next(rows, (0, []))[1]]
    if len(header) < 2 or len(set(header)) < 2:
        raise DataError(f"{path} has no header of columns", "hand in the client's results.csv or metrics.csv")
    counts = next((name for name in STEPS if name in map(str.lower, header)), "row")
    points: list[Point] = []
    thinned = False
    for line, cells in rows:
        if len(points) >= MOST_POINTS:
            thinned = True
            break
        points.append(_point(line, header, cells, counts))
    return Record(str(path), "table", counts, tuple(point for point in points if point.values), thinned=thinned)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, cells); every line is parsed by itself, so that an open quote does not swallow the file."""
    for line, text in text_lines(path):
        if text.strip() and len(text) < LONGEST_LINE:
            yield line, next(csv.reader([text]), [])


def _point(line: int, header: list[str], cells: list[str], counts: str) -> Point:
    pairs = {name: number(cell) for name, cell in zip(header, cells, strict=False) if cell.strip()}
    step = next((value for name, value in pairs.items() if name.lower() == counts), None)
    values = {name: v for name, v in pairs.items() if v is not None and name.lower() not in STEPS}
    return Point(line, step, values)
