"""The frozen values of the static checks: a Clue is one thing found, with the place, the reason and the one change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

PROVED, SUSPECTED, NOTE = "proved", "suspected", "note"
"""How sure a clue is: it follows from the file and the source named; it often does; it is worth knowing, no mistake."""

CAUSES = (
    *("hardware", "library", "compiler", "fp16-overflow", "fp16-accumulation", "underflow", "gradient-underflow"),
    *("division-by-zero", "learning-rate", "exploding-gradients", "initialisation", "bad-data", "bad-labels"),
    *("input-scale", "zero-grad", "optimizer-eps", "scaler-misuse", "batch-statistics", "singular-gradient"),
    *("masked-softmax", "weight-decay", "unknown"),
)
"""The words for a cause, the same as those of a watched run."""


class Place(NamedTuple):
    """Where: file, line from 1 (None: the whole file), key (of a file of settings, a column, an annotation), value."""

    file: str = ""
    line: int | None = None
    key: str = ""
    value: str = ""


@dataclass(frozen=True)
class Clue:
    """One thing found. `weight` (0 to 100) orders the answer: how well it alone would explain NaN losses or mAP 0."""

    check: str  # the id of the check, "label.zero-area"
    what: str
    why: str
    change: str  # the one thing to do
    certainty: str  # proved | suspected | note
    weight: int
    cause: str = "unknown"
    source: str = ""
    places: tuple[Place, ...] = ()  # the first ones
    count: int = 1  # of all places, also those not kept


@dataclass(frozen=True)
class Answer:
    """What the static checks say of everything that was handed in."""

    clues: tuple[Clue, ...] = ()
    looked_at: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Clue, ...]:
        """The clues that are more than notes: what `--check` counts."""
        return tuple(clue for clue in self.clues if clue.certainty != NOTE)


def ordered(clues: Iterable[Clue]) -> tuple[Clue, ...]:
    """Best explanation first; the proved before the suspected of the same weight, then by place."""
    rank = {PROVED: 0, SUSPECTED: 1, NOTE: 2}
    return tuple(sorted(clues, key=lambda clue: (-clue.weight, rank[clue.certainty], clue.check, _first(clue))))


def _first(clue: Clue) -> tuple[str, int, str]:
    place = clue.places[0] if clue.places else Place()
    return place.file, place.line or 0, place.key


def together(answers: Iterable[Answer]) -> Answer:
    """One answer of several, in order of weight; what is told twice is kept once."""
    parts = list(answers)

    def all_of(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(text for part in parts for text in getattr(part, name)))

    names = ("looked_at", "notes", "checked", "not_checked", "next_steps")
    clues = ordered(dict.fromkeys(clue for part in parts for clue in part.clues))
    return Answer(clues, **{name: all_of(name) for name in names})


def as_json(answer: Answer) -> dict[str, Any]:
    """The answer as published in diagnosis.schema.json."""
    clues = [{**asdict(clue), "places": [place._asdict() for place in clue.places]} for clue in answer.clues]
    rest = {name: list(value) for name, value in vars(answer).items() if name != "clues"}
    return {"schema": 1, "clues": clues, **rest}
