"""Pascal VOC annotations: one XML file an image. Read by expat, with every document type and entity refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.parsers import expat  # entities are refused below, before anything is expanded

from hwcompat.diagnose.faults import Fault
from hwcompat.diagnose.geometry import faults_of, size_class
from hwcompat.diagnose.reading import read_bytes
from hwcompat.diagnose.tally import Tally
from hwcompat.errors import DataError

MOST_BYTES, MOST_DEPTH, MOST_OBJECTS = 16 * 2**20, 32, 100_000
CORNERS = ("xmin", "ymin", "xmax", "ymax")
SLACK = 1.0
"""Pixels: VOC counts from 1."""


class HostileError(Exception):
    """The file defines entities, nests too deeply or holds too much."""


class _Reader:
    """Collects size and objects; text is kept of the few elements that are wanted."""

    def __init__(self) -> None:
        # Whatever could be expanded is refused.
        self.size: dict[str, str] = {}
        self.objects: list[tuple[int, dict[str, str]]] = []
        self._path: list[str] = []
        self._text: list[str] = []
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse
        self._parser.ExternalEntityRefHandler = self._refuse

    def read(self, data: bytes) -> None:
        self._parser.Parse(data, True)

    def _refuse(self, *_declared: Any) -> Any:
        raise HostileError("declares a document type or an entity")

    def _start(self, name: str, _attributes: Any) -> None:
        self._path.append(name)
        self._text = []
        if len(self._path) > MOST_DEPTH or len(self.objects) > MOST_OBJECTS:
            raise HostileError(f"more than {MOST_DEPTH} levels or {MOST_OBJECTS} objects")
        if self._path[1:] == ["object"]:
            self.objects.append((self._parser.CurrentLineNumber, {}))

    def _characters(self, text: str) -> None:
        if len(self._text) < 100:
            self._text.append(text[:1000])

    def _end(self, name: str) -> None:
        value = "".join(self._text).strip()
        inner = self._path[1:]
        if inner[:1] == ["size"] and len(inner) == 2:
            self.size[name] = value
        elif self.objects and (inner == ["object", "name"] or (inner[:2] == ["object", "bndbox"] and len(inner) == 3)):
            self.objects[-1][1][name] = value
        self._path.pop()
        self._text = []


def examine(path: Path, size: tuple[int, int] | None, tally: Tally) -> None:
    """Add the faults and boxes of one annotation file. size: (width, height) of its image, None if unknown."""
    reader = _Reader()
    try:
        reader.read(read_bytes(path, MOST_BYTES))
    except HostileError as error:
        tally.add([Fault("label.hostile", str(path), None, "", str(error))])
        return
    except (DataError, expat.ExpatError, ValueError, LookupError) as error:
        tally.add([Fault("label.unreadable", str(path), getattr(error, "lineno", None), "", str(error)[:120])])
        return
    tally.labels += 1
    tally.empty += not reader.objects
    width, height = _number(reader.size.get("width")), _number(reader.size.get("height"))
    told = (width, height) if width and height and width > 0 and height > 0 else None
    if size and told and (told != size and told[::-1] != size):
        tally.add(
            [Fault("label.size-differs", str(path), None, "size", f"{told[0]:g}x{told[1]:g}, is {size[0]}x{size[1]}")]
        )
    for line, found in reader.objects:
        _object(str(path), line, found, size or told, tally)


def _object(file: str, line: int, found: dict[str, str], size: tuple[float, float] | None, tally: Tally) -> None:
    corners = [_number(found.get(name)) for name in CORNERS]
    missing = next((name for name, corner in zip(CORNERS, corners, strict=True) if corner is None), None)
    if missing or not found.get("name"):
        tally.add(
            [Fault("label.columns", file, line, missing or "name", found.get(missing or "name", "(missing)")[:40])]
        )
        return
    left, top, right, bottom = (corner for corner in corners if corner is not None)
    box = (left, top, right - left, bottom - top)
    shown = f"{left:g} {top:g} {right:g} {bottom:g}"
    width, height = size or (math.inf, math.inf)
    rules = list(faults_of(box, width, height, SLACK))
    if size and not rules and max(right, bottom) <= 1.0 and max(size) > 10:
        rules = ["label.relative"]
    tally.add(Fault(rule, file, line, "xmin ymin xmax ymax", shown) for rule in rules)
    if not rules or rules == ["label.outside"]:
        share = box[2] * box[3] / (width * height) if size else 0.0
        tally.box(found["name"][:60], size_class(share))


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
