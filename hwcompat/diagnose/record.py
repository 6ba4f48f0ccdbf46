"""What a training left behind, as one table: numbers by step, and the lines of a log that mean something."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from hwcompat.errors import DataError
from hwcompat.tablefiles import yaml_list

from .clue import Clue, Place
from .reading import file_size

MOST_BYTES = 4 * 2**30
MOST_POINTS = 200_000
LONGEST_LINE = 64 * 2**10
KEPT = 20
"""Places kept of each message; all are counted."""


class Point(NamedTuple):
    """Numbers logged together. `step`: the epoch or step as the file counts it, None where it does not."""

    line: int | None
    step: float | None
    values: Mapping[str, float]


class Scale(NamedTuple):
    """A step that was skipped because gradients overflowed: the loss scale that was tried, and the next."""

    line: int
    tried: float | None
    then: float | None


@dataclass(frozen=True)
class Record:
    path: str
    kind: str
    counts: str  # what `step` counts: epoch | step
    points: tuple[Point, ...] = ()
    scales: tuple[Scale, ...] = ()
    clues: tuple[Clue, ...] = ()  # of single lines of a log
    thinned: bool = False  # more points than are kept

    def place(self, point: Point, name: str) -> Place:
        value = point.values.get(name)
        return Place(self.path, point.line, name, "" if value is None else f"{value:g}")

    def when(self, point: Point) -> str:
        """ "epoch 3"; the line where nothing counts."""
        return f"{self.counts} {point.step:g}" if point.step is not None else f"line {point.line}"


def kinds() -> tuple[str, ...]:
    """Every kind of record, by listing the folder."""
    return tuple(sorted(p.stem for p in (Path(__file__).parent / "records").glob("*.py") if p.stem[0] != "_"))


def read_record(path: Path, messages: Iterable[Message], notice: Any = None) -> Record:
    """The record in that file. DataError where it is unreadable or holds nothing that is known.

    notice(line number, text): Clues of a line of a log beside those of `messages`.
    """
    if file_size(path) > MOST_BYTES:
        raise DataError(f"{path} is larger than {MOST_BYTES >> 30} GiB", "hand in its end, from before the first NaN")
    with path.open("rb") as handle:
        head = handle.read(2**16)
    modules = [import_module(f"hwcompat.diagnose.records.{name}") for name in kinds()]
    module = max(modules, key=lambda each: each.recognises(path.name, head))
    found: Record = module.read(path, tuple(messages), notice)
    return found


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of a text file in any encoding; a progress bar's carriage returns leave its last state.

    A line longer than 64 KiB is cut: what follows in it is skipped.
    """
    encoding = "utf-8"
    with path.open("rb") as handle:
        start = handle.read(2)
        encoding = "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    with path.open(encoding=encoding, errors="replace", newline="\n") as handle:
        number, cut = 0, False
        while piece := handle.readline(LONGEST_LINE):
            number += not cut
            if not cut:
                yield number, _last_state(piece.replace("\0", ""))
            cut = not piece.endswith("\n")


def _last_state(line: str) -> str:
    parts = [part for part in line.rstrip("\r\n").split("\r") if part.strip()]
    return _COLOUR.sub("", parts[-1]) if parts else ""


_COLOUR = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")


def number(text: Any) -> float | None:
    """The number that a cell holds, NaN and infinities in any spelling included; None for anything else."""
    if isinstance(text, bool):
        return None
    try:
        return float(str(text).strip())
    except ValueError:
        found = re.match(r"(?:tensor\()?\s*([-+]?(?:nan|inf|infinity|\d[\d.eE+-]*))", str(text).strip()[:100], re.I)
        try:
            return float(found[1]) if found else None
        except ValueError:
            return None


# --- what a column is -------------------------------------------------------------------------------------------------

_HELD_OUT = re.compile(r"(^|[/_.\s])(val|valid|validation|eval|test)([/_.\s]|$)", re.I)
_METRIC = re.compile(r"(map|precision|recall|accuracy|\bacc\b|f1|fitness|dice|miou)", re.I)
_RATE = re.compile(r"^(x/lr\d*|lr([/_-].*)?|learning_rate|lr\d*)$", re.I)


def role(name: str) -> str:
    """loss | held-out loss | metric | lr | grad_norm, or empty."""
    word = name.strip()
    if _RATE.match(word):
        return "lr"
    if "grad_norm" in word.lower():
        return "grad_norm"
    if "loss" in word.lower():
        return "held-out loss" if _HELD_OUT.search(word) else "loss"
    return "metric" if _METRIC.search(word) else ""


def columns(points: Iterable[Point], wanted: str) -> tuple[str, ...]:
    """The names that play this role, in the order of their first appearance."""
    return tuple(name for name in dict.fromkeys(n for p in points for n in p.values) if role(name) == wanted)


# --- messages ---------------------------------------------------------------------------------------------------------


class Message(NamedTuple):
    """An entry of log_messages.yaml: a line that holds every text of `contains`."""

    id: str
    contains: tuple[str, ...]
    clue: Clue


def read_messages(folders: Iterable[Path]) -> tuple[Message, ...]:
    """The entries of every folder that has the file; one that is not whole is left out. DataError."""
    found: dict[str, Message] = {}
    for folder in folders:
        if (folder / "log_messages.yaml").exists():
            for _, entry in yaml_list(folder / "log_messages.yaml", "messages"):
                message = _message(entry)
                if message:
                    found[message.id] = message
    return tuple(found.values())


def _message(entry: Any) -> Message | None:
    words = ("id", "what", "why", "change", "certainty", "source")
    if not isinstance(entry, dict) or not all(isinstance(entry.get(word), str) for word in words):
        return None
    contains, weight = entry.get("contains"), entry.get("weight")
    if not isinstance(contains, list) or not contains or not isinstance(weight, int):
        return None
    told = {word: " ".join(entry[word].split()) for word in words}
    cause = str(entry.get("cause") or "unknown")
    clue = Clue(
        f"log.{told['id']}", told["what"], told["why"], told["change"], told["certainty"], weight, cause, told["source"]
    )
    return Message(told["id"], tuple(map(str, contains)), clue)
