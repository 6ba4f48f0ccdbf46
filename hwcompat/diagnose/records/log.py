"""Text logs: lines with a known meaning (matrix/log_messages.yaml), skipped steps, and the losses that lines print.

Losses are understood as Hugging Face's Trainer prints them ({'loss': 0.5, 'grad_norm': nan, ...}) and as the progress
lines of Ultralytics and YOLOv5 do (epoch/epochs, memory, losses, instances, size).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hwcompat.diagnose.clue import Clue, Place
from hwcompat.diagnose.record import KEPT, MOST_POINTS, Message, Point, Record, Scale, number, text_lines

_NUMBER = r"[-+]?(?:nan|inf|\d[\d.]*(?:e[-+]?\d+)?)"
_PAIR = re.compile(rf"['\"](\w{{1,60}})['\"]: ?['\"]?({_NUMBER})\b", re.I)
_PROGRESS = re.compile(rf"^\s*(\d{{1,6}})/(\d{{1,6}})\s+[\d.]+(?:G|M|GB|MB)?\s+((?:{_NUMBER}\s+){{3,8}})", re.I)
_OVERFLOW = re.compile(r"OVERFLOW!.{0,60}?Skipping step", re.I)
_TRIED = re.compile(r"Attempted loss scale: ?([\d.e+]+)(?:, reducing to ([\d.e+-]+))?", re.I)
_APEX = re.compile(r"Gradient overflow\. +Skipping step.{0,60}?reducing loss scale to ([\d.e+-]+)", re.I)


def recognises(name: str, head: bytes) -> int:
    return 2 if name.lower().endswith((".log", ".txt", ".out", ".err")) else 1


def read(path: Path, messages: Sequence[Message] = (), notice: Any = None) -> Record:
    points: list[Point] = []
    scales: list[Scale] = []
    found: dict[str, Clue] = {}
    for line, text in text_lines(path):
        for clue in _clues(path, line, text, messages, notice):
            _count(found, clue)
        point = _point(line, text)
        if point and len(points) < MOST_POINTS:
            _add(points, point)
        scale = _scale(line, text)
        if scale and len(scales) < MOST_POINTS:
            scales.append(scale)
    thinned = len(points) >= MOST_POINTS
    counts = "step" if points and points[-1].step is None else "epoch"
    return Record(str(path), "log", counts, tuple(points), tuple(scales), tuple(found.values()), thinned)


def _clues(path: Path, line: int, text: str, messages: Sequence[Message], notice: Any) -> Iterator[Clue]:
    for message in messages:
        if all(words in text for words in message.contains):
            yield replace(message.clue, places=(Place(str(path), line, "", text.strip()[:80]),))
    if notice:
        yield from notice(text, Place(str(path), line))


def _count(found: dict[str, Clue], clue: Clue) -> None:
    """The same message again is counted, and its place kept as long as there are few."""
    known = found.get(clue.check)
    if known is None:
        found[clue.check] = clue
        return
    places = (*known.places, *clue.places) if len(known.places) < KEPT else known.places
    found[clue.check] = replace(known, places=places, count=known.count + 1)


def _add(points: list[Point], point: Point) -> None:
    """Progress lines of one epoch follow each other: the last one counts."""
    same = (
        points
        and point.step is not None
        and points[-1].step == point.step
        and set(points[-1].values) == set(point.values)
    )
    if same and not any(value != value for value in points[-1].values.values()):
        points[-1] = point
    elif not same:
        points.append(point)


def _point(line: int, text: str) -> Point | None:
    if "loss" in text or "grad_norm" in text:
        pairs = {name: v for name, cell in _PAIR.findall(text) if (v := number(cell)) is not None}
        if any("loss" in name or name == "grad_norm" for name in pairs):
            step = pairs.pop("step", None)
            epoch = pairs.pop("epoch", None)
            return Point(line, step if step is not None else epoch, pairs)
    found = _PROGRESS.match(text)
    return _progress(line, found) if found else None


def _progress(line: int, found: re.Match[str]) -> Point | None:
    """Losses come first and are written with a point (or as nan); the instances and the size behind them are whole."""
    cells = found[3].split()
    losses = []
    for cell in cells:
        if cell.isdigit():
            break
        losses.append(cell)
    if len(losses) < 2:
        return None
    names = [f"loss {n}" for n in range(1, len(losses) + 1)]
    values = {name: v for name, cell in zip(names, losses, strict=True) if (v := number(cell)) is not None}
    return Point(line, float(found[1]), values)


def _scale(line: int, text: str) -> Scale | None:
    apex = _APEX.search(text)
    if apex:
        return Scale(line, None, number(apex[1]))
    if not _OVERFLOW.search(text):
        return None
    tried = _TRIED.search(text)
    return Scale(line, number(tried[1]) if tried else None, number(tried[2]) if tried and tried[2] else None)
