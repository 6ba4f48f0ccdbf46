"""What the matrix covers and what it lacks: rows by chip, torch and system, and the list of wanted rows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from . import gates, merging
from .model import Card, Row
from .tablerows import version_key
from .tables import Tables, find_cards

SEGMENTS = ("geforce", "mobile", "datacenter", "quadro", "jetson", "cmp")
"""Of cards that equally many people reported on, the more common kind comes first."""
CURRENT = 3
"""The newest minor releases of torch with kernels for a card that are to be measured on it."""


class Coverage(NamedTuple):
    """Counts of rows (withdrawn ones are counted apart and nowhere else) and the days of the oldest and newest."""

    rows: int
    measured: int
    reported: int
    withdrawn: int
    observations: int  # distinct reports: a row stands for several where one was sent in again
    contributors: int  # names; all who gave none are not counted
    oldest: str
    newest: str
    by: Mapping[str, Mapping[str, int]]  # chip, torch (minor release), os, source -> value -> rows, the most first


class Wanted(NamedTuple):
    """A chip that lacks measured rows with current releases of torch.

    cards: names it is sold under; reports: users' reports about it (a name sold on several chips counts for each in
    part); torch: minor releases that have kernels for it and no measured row, newest first; measured: rows it has.
    """

    chip: str
    cards: tuple[str, ...]
    compute_capability: str
    segment: str
    reports: float
    measured: int
    torch: tuple[str, ...]


def coverage(rows: Iterable[Row]) -> Coverage:
    """Count `rows`; what is unknown is counted under "unknown"."""
    every = list(rows)
    standing = merging.standing(every)
    sources = Counter(row.source for row in standing)
    dates = [row.date for row in standing if row.date]
    columns = {
        "chip": (row.chip for row in standing),
        "torch": (minor(row.torch) for row in standing),
        "os": (row.os for row in standing),
        "source": (row.source for row in standing),
    }
    return Coverage(
        rows=len(standing),
        measured=sources["measured"],
        reported=sources["reported"],
        withdrawn=len(every) - len(standing),
        observations=len({one for row in standing for one in merging.report_ids(row)}),
        contributors=len({row.contributor for row in standing} - {""}),
        oldest=min(dates, default=""),
        newest=max(dates, default=""),
        by={name: _counted(values) for name, values in columns.items()},
    )


def _counted(values: Iterable[str]) -> dict[str, int]:
    counts = Counter(value or "unknown" for value in values)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@lru_cache(maxsize=4096)
def minor(version: str) -> str:
    """ "2.6.0+cu124" -> "2.6"; "" for what is no version."""
    numbers = version_key(version)
    return ".".join(map(str, (*numbers, 0)[:2])) if numbers else ""


# --- the wanted list --------------------------------------------------------------------------------------------------


def wanted(rows: Iterable[Row], tables: Tables) -> tuple[Wanted, ...]:
    """The chips of gpus.csv that lack measured rows, those first that most people reported on, then by SEGMENTS."""
    standing = merging.standing(rows)
    reports = _reports_by_chip(standing, tables)
    have: dict[str, Counter[str]] = {}
    for row in standing:
        if row.source == "measured":
            have.setdefault(row.chip, Counter())[minor(row.torch)] += 1
    chips: dict[str, list[Card]] = {}
    for card in tables.cards:
        chips.setdefault(card.chip, []).append(card)
    found = []
    for chip, cards in chips.items():
        measured = have.get(chip, Counter())
        lacking = tuple(release for release in releases_for(cards, tables) if release not in measured)
        if lacking:
            found.append(_wanted(cards, reports.get(chip, 0.0), measured.total(), lacking))
    return tuple(sorted(found, key=_urgency))


def _wanted(cards: Sequence[Card], reports: float, measured: int, lacking: tuple[str, ...]) -> Wanted:
    first = min(cards, key=_segment)
    names = tuple(dict.fromkeys(card.name for card in sorted(cards, key=_segment)))
    return Wanted(first.chip, names, first.compute_capability, first.segment, round(reports, 2), measured, lacking)


def _segment(card: Card | Wanted) -> int:
    return SEGMENTS.index(card.segment) if card.segment in SEGMENTS else len(SEGMENTS)


def _urgency(one: Wanted) -> tuple[object, ...]:
    newest = tuple(-number for number in version_key(one.compute_capability))
    return -one.reports, _segment(one), newest, one.chip


def releases_for(cards: Sequence[Card], tables: Tables) -> tuple[str, ...]:
    """The newest CURRENT minor releases of torch with kernels for these cards' chip, newest first; () if none has."""
    capability = cards[0].compute_capability
    return _releases(capability, tables)


@lru_cache(maxsize=256)
def _releases(capability: str, tables: Tables) -> tuple[str, ...]:
    builds = (build for build in tables.builds if build.tag.startswith("cu"))
    serving = {minor(build.torch) for build in builds if gates.serving_kernel(build, capability, tables)}
    return tuple(sorted(serving, key=version_key, reverse=True)[:CURRENT])


def _reports_by_chip(rows: Iterable[Row], tables: Tables) -> dict[str, float]:
    """Users' reports by chip; one whose name is sold on n chips counts 1/n for each of them."""
    found: dict[str, float] = {}
    for row in rows:
        if row.source == "reported":
            chips = {row.chip} if row.chip else {card.chip for card in find_cards(row.gpu, tables)}
            for chip in chips:
                found[chip] = found.get(chip, 0.0) + 1 / len(chips)
    return found
