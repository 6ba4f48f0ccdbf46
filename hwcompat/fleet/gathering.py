"""A fleet folder as one value: its cards, what is missing, what could not be read. The edge between files and rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from hwcompat.errors import DataError

from . import inventory
from .card import Card, Place
from .reading import WORTH_PROCESSES, Read, read_all
from .shards import Run, Sidecar, read_run, shards


class Missing(NamedTuple):
    """A GPU or node that gave no report. `place` and `detail` are private."""

    place: Place
    outcome: str  # of shards.OUTCOMES, or "never answered"
    detail: str = ""
    attempts: int = 0
    cards: int = 1  # GPUs it stands for


class Problem(NamedTuple):
    """A file that was not used. Both texts may name a node: private."""

    key: str
    reason: str


@dataclass(frozen=True)
class Fleet:
    """All that a folder holds."""

    cards: tuple[Card, ...]
    missing: tuple[Missing, ...] = ()
    problems: tuple[Problem, ...] = ()
    duplicates: tuple[str, ...] = ()  # keys of files whose report another file holds as well
    expected: int | None = None  # GPUs by the inventory, where it tells
    nodes: int | None = None  # nodes by the inventory
    run: Run | None = None


NEVER = "never answered"


def gather(
    folder: Path,
    nodes: Mapping[str, int | None] | None = None,
    mixed: bool = False,
    processes: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Fleet:
    """Everything in `folder`, judged by nobody yet. The order of files is irrelevant.

    nodes: the inventory; processes: that read; mixed: accept reports of several versions of hwcompat, judged apart;
    progress: callable(done, total, label), called where there are many files.
    DataError where there is no folder or no report in it, where shards of two runs lie together, or where versions are
    mixed without `mixed`. A file that cannot be used is one of `problems`.
    """
    run = read_run(folder)
    found = list(shards(folder))
    if not found:
        raise DataError(f"{folder} holds no report", "name the folder that the reports were written to (*.json)")
    read = []
    for one in read_all(found, processes):
        read.append(one)
        if progress and len(found) >= WORTH_PROCESSES:
            progress(len(read), len(found), "reports")
    _one_run(folder, run, read)
    kept, duplicates = _distinct(read)
    cards = tuple(card for one in kept for card in one.cards)
    if not cards and not any(one.sidecar for one in read):
        first = next(one.problem for one in read if one.problem)
        raise DataError(f"none of {len(read)} files in {folder} is a report; {first}", "probe with --report first")
    if not mixed:
        _one_version(cards)
    known = inventory.matcher(nodes or {})
    cards = tuple(_at_home(card, known) for card in cards)
    return Fleet(
        cards=cards,
        missing=_missing(read, cards, nodes or {}, known),
        problems=tuple(Problem(one.key, one.problem) for one in read if one.problem),
        duplicates=duplicates,
        expected=_expected(nodes or {}),
        nodes=len(nodes) if nodes else None,
        run=run,
    )


def _expected(nodes: Mapping[str, int | None]) -> int | None:
    """GPUs of the whole inventory; None where it does not tell of every node."""
    counts = [count for count in nodes.values() if count is not None]
    return sum(counts) if counts and len(counts) == len(nodes) else None


def _one_run(folder: Path, run: Run | None, read: Iterable[Read]) -> None:
    ids = Counter(one.sidecar.run for one in read if one.sidecar)
    if run is not None:
        ids[run.id] += 0
    if len(ids) > 1:
        told = ", ".join(f"{name} ({count} shards)" for name, count in sorted(ids.items()))
        raise DataError(
            f"{folder} holds shards of several runs: {told}", "move each run's shards into a folder of its own"
        )


def _one_version(cards: Iterable[Card]) -> None:
    versions = Counter(f"{card.row.hwcompat} (suite {card.row.suite})" for card in cards)
    if len(versions) > 1:
        told = ", ".join(f"{count} of {name}" for name, count in versions.most_common())
        hint = "probe all with one version, or add --mixed: then each version is judged by itself"
        raise DataError(f"the reports are of several versions of hwcompat: {told}", hint)


def _distinct(read: Sequence[Read]) -> tuple[list[Read], tuple[str, ...]]:
    """Each report once, the copy with a sidecar first; and the keys of the other copies."""
    order = sorted((one for one in read if one.cards), key=lambda one: (one.sidecar is None, one.key))
    seen: set[str] = set()
    kept: list[Read] = []
    copies: list[Read] = []
    for one in order:
        ids = {card.id for card in one.cards}
        (copies if ids <= seen else kept).append(one)
        seen |= ids
    return kept, tuple(one.key for one in copies)


def _at_home(card: Card, known: Mapping[str, str]) -> Card:
    """The card with its node as the inventory spells it."""
    node = inventory.named(known, card.place.node) if known and card.place.node else None
    return replace(card, place=card.place._replace(node=node)) if node and node != card.place.node else card


# --- who is missing ---------------------------------------------------------------------------------------------------


def _missing(
    read: Iterable[Read], cards: Iterable[Card], nodes: Mapping[str, int | None], known: Mapping[str, str]
) -> tuple[Missing, ...]:
    answered = Counter(card.place.node for card in cards)
    failed = [_attempt(one.sidecar, nodes, known) for one in read if one.sidecar and not one.cards]
    # That a node did not answer once says nothing where it did later.
    standing = [one for one in failed if one.place.slot or not answered[one.place.node]]
    heard = Counter(answered)
    for one in standing:
        heard[one.place.node] += one.cards
    silent = [_silent(node, count, heard[node]) for node, count in nodes.items()]
    return tuple(sorted([*standing, *(one for one in silent if one.cards > 0)]))


def _attempt(sidecar: Sidecar, nodes: Mapping[str, int | None], known: Mapping[str, str]) -> Missing:
    node = inventory.named(known, sidecar.node) or sidecar.node
    lost = sidecar.outcome == "measured"  # its report cannot be used
    outcome = "report unusable" if lost else sidecar.outcome
    stands_for = 1 if sidecar.slot else nodes.get(node) or 1
    return Missing(Place(node, sidecar.slot), outcome, sidecar.detail, sidecar.attempts, stands_for)


def _silent(node: str, expected: int | None, heard: int) -> Missing:
    short = expected - heard if expected is not None else int(not heard)
    return Missing(Place(node), NEVER, cards=short)
