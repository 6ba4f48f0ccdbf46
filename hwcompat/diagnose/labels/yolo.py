"""YOLO label files: a row is `class x y w h`, relative to the image, or `class x1 y1 x2 y2 x3 y3 ...` for a polygon.

The limits are those at which Ultralytics refuses a row
(https://github.com/ultralytics/ultralytics/blob/v8.4.190/ultralytics/data/utils.py): 1.01 above, -0.01 below.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hwcompat.diagnose.faults import Fault
from hwcompat.diagnose.geometry import faults_of, size_class
from hwcompat.diagnose.reading import read_text
from hwcompat.diagnose.tally import Tally
from hwcompat.errors import DataError

MOST_BYTES = 16 * 2**20
UPPER, LOWER, SLACK = 1.01, -0.01, 0.01
PIXELS = 2.0
"""From here on a coordinate is no slip beyond the border: it counts pixels."""
TEXT = 40
"""Characters of a cell that are told."""


class Row(NamedTuple):
    line: int
    cells: tuple[float, ...]  # class first

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, width, height; of a polygon its bounds."""
        if len(self.cells) == 5 or self.is_pose:
            _, x, y, w, h = self.cells[:5]
            return x - w / 2, y - h / 2, w, h
        xs, ys = self.cells[1::2], self.cells[2::2]
        return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)

    @property
    def is_pose(self) -> bool:
        return False


class Pose(Row):
    """A row with key points behind its box."""

    __slots__ = ()

    @property
    def is_pose(self) -> bool:
        return True


def examine(path: Path, classes: int | None, keypoints: int, size: tuple[int, int] | None, tally: Tally) -> None:
    """Add the faults and boxes of one label file.

    classes    how many the data set has, None if unknown
    keypoints  cells of key points behind each box, 0 for none
    size       (width, height) of its image, None if unknown
    """
    try:
        text = read_text(path, MOST_BYTES)
    except DataError as error:
        tally.add([Fault("label.unreadable", str(path), None, "", error.message[-TEXT * 3 :])])
        return
    tally.labels += 1
    found: list[Fault] = []
    rows = list(_rows(str(path), text, keypoints, found))
    if not rows and not found:
        tally.empty += 1
    found += _doubles(str(path), rows)
    if len({len(row.cells) == 5 for row in rows}) == 2 and not keypoints:
        found.append(Fault("label.mixed", str(path), next(row.line for row in rows if len(row.cells) != 5)))
    for row in rows:
        wrong = list(_faults(str(path), row, classes, size))
        found += wrong
        if not wrong or {fault.rule for fault in wrong} <= {"label.outside", "label.tiny"}:
            _, _, w, h = row.box
            tally.box(f"{row.cells[0]:g}", size_class(w * h))
    tally.add(found)


def _rows(file: str, text: str, keypoints: int, found: list[Fault]) -> Iterator[Row]:
    """The rows that are rows; what is not becomes a fault."""
    for line, written in enumerate(text.splitlines(), 1):
        parts = written.split()
        if not parts:
            continue
        cells = [_number(part) for part in parts]
        bad = next((at for at, cell in enumerate(cells) if cell is None), None)
        if bad is not None:
            found.append(Fault("label.not-a-number", file, line, f"column {bad + 1}", parts[bad][:TEXT]))
        elif not _is_row(len(parts), keypoints):
            found.append(Fault("label.columns", file, line, "columns", f"{len(parts)} instead of {5 + keypoints}"))
        else:
            kind = Pose if keypoints else Row
            yield kind(line, tuple(cell for cell in cells if cell is not None))


def _number(part: str) -> float | None:
    """A number as the client reads it; digits of other scripts and underscores, which Python takes, are none."""
    if not part.isascii() or "_" in part:
        return None
    try:
        return float(part)
    except ValueError:
        return None


def _is_row(columns: int, keypoints: int) -> bool:
    if keypoints:
        return columns == 5 + keypoints
    return columns == 5 or (columns >= 7 and columns % 2 == 1)


def _doubles(file: str, rows: Sequence[Row]) -> Iterator[Fault]:
    seen: dict[tuple[float, ...], int] = {}
    for row in rows:
        first = seen.setdefault(row.cells, row.line)
        if first != row.line:
            yield Fault("label.duplicate", file, row.line, "same as line", str(first))


def _faults(file: str, row: Row, classes: int | None, size: tuple[int, int] | None) -> Iterator[Fault]:
    bad = next((at for at, cell in enumerate(row.cells) if not math.isfinite(cell)), None)
    if bad is not None:
        yield Fault("label.nonfinite", file, row.line, f"column {bad + 1}", f"{row.cells[bad]:g}")
        return
    yield from _class_faults(file, row, classes)
    coordinates = row.cells[1:5] if len(row.cells) == 5 or row.is_pose else row.cells[1:]
    if max(coordinates) >= PIXELS:
        yield Fault("label.pixels", file, row.line, "coordinate", f"{max(coordinates):g}")
        return
    box = len(row.cells) == 5 or row.is_pose
    if min(coordinates) < LOWER or max(coordinates) > UPPER or (box and min(row.cells[3:5]) < 0):
        farthest = max(coordinates, key=lambda cell: abs(cell - 0.5))
        yield Fault("label.range", file, row.line, "coordinate", f"{farthest:g}")
        if box and min(row.cells[3:5]) <= 0:
            yield Fault("label.zero-area", file, row.line, "w, h", f"{row.cells[3]:g}, {row.cells[4]:g}")
        return
    x, y, w, h = row.box
    for rule in faults_of(row.box, 1.0, 1.0, SLACK):
        yield Fault(rule, file, row.line, "x y w h", f"{x + w / 2:.4g} {y + h / 2:.4g} {w:.4g} {h:.4g}")
    if size and w > 0 and h > 0 and (w * size[0] < 1 or h * size[1] < 1):
        yield Fault("label.tiny", file, row.line, "pixels", f"{w * size[0]:.2g} x {h * size[1]:.2g}")


def _class_faults(file: str, row: Row, classes: int | None) -> Iterator[Fault]:
    name = row.cells[0]
    if name % 1:
        yield Fault("label.class-not-integer", file, row.line, "class", f"{name:g}")
    elif name < 0 or (classes is not None and name >= classes):
        allowed = f" (0 to {classes - 1})" if classes else ""
        yield Fault("label.class-range", file, row.line, "class", f"{name:g}{allowed}")
