"""An Answer as lines for a person: the best explanation first, at most a screen unless asked for all. Pure text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap

from hwcompat.wording import ascii_line

from .clue import NOTE, Answer, Clue, Place

WIDTH = 120
SCREEN = 40
"""Lines, the closing ones included."""
PLACES = 3


def lines(answer: Answer, everything: bool = False) -> list[str]:
    """The answer; without `everything` it ends with how many clues are left out."""
    body: list[str] = []
    end = list(_closing(answer, everything))
    left = 0
    for at, clue in enumerate(answer.clues):
        told = list(_clue(clue, everything))
        if not everything and body and len(body) + len(told) + len(end) + 2 > SCREEN:
            left = len(answer.clues) - at
            break
        body += told
    more = [f"{left} more: --all"] if left else []
    return [ascii_line(line) for line in [*_opening(answer), *body, *more, *end]]


def _opening(answer: Answer) -> Iterator[str]:
    found, notes = len(answer.findings), len(answer.clues) - len(answer.findings)
    what = f"{found} finding{'s' * (found != 1)}" + (f", {notes} note{'s' * (notes != 1)}" if notes else "")
    yield f"looked at: {', '.join(answer.looked_at) or 'nothing'}; {what if answer.clues else 'nothing found'}"


def _clue(clue: Clue, everything: bool) -> Iterator[str]:
    yield from _folded(f"[{clue.certainty}] ", f"{clue.what}{_count(clue)}")
    places = clue.places if everything else clue.places[:PLACES]
    where = "; ".join(place_words(place) for place in places)
    hidden = clue.count - len(places)
    if where:
        yield from _folded("    where   ", where + (f"; and {hidden} more" if hidden > 0 else ""))
    yield from _folded("    why     ", clue.why)
    yield from _folded("    change  ", clue.change)
    if clue.source and (everything or clue.certainty != NOTE):
        yield from _folded("    source  ", clue.source)


def _count(clue: Clue) -> str:
    return f" ({clue.count} times)" if clue.count > max(len(clue.places), 1) or clue.count > PLACES else ""


def place_words(place: Place) -> str:
    """ "labels/a.txt:3 (w = 0)"."""
    at = f"{place.file}:{place.line}" if place.line else place.file
    told = place.key if not place.value else f"{place.key} = {place.value}" if place.key else place.value
    return f"{at} ({told})" if told and at else at or told


def _closing(answer: Answer, everything: bool) -> Iterator[str]:
    notes = answer.notes if everything else answer.notes[:3]
    for note in notes:
        yield from _folded("note: ", note)
    if answer.checked and not answer.findings:
        yield from _folded("checked: ", "; ".join(answer.checked))
    if answer.not_checked:
        yield from _folded("not checked: ", "; ".join(answer.not_checked))
    for step in answer.next_steps[: None if everything else 2]:
        yield f"next: {step}"


def _folded(start: str, sentence: str) -> Iterable[str]:
    text = " ".join(ascii_line(sentence).split())
    return wrap(
        text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start), break_long_words=False,
        break_on_hyphens=False,
    ) or [start.rstrip()]  # fmt: skip
