"""What rows say of a card: verdicts by the rules of trust, grids of builds, known versions, contradictions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hwcompat.consensus import Consensus, consensus, consensus_of
from hwcompat.model import CAPABILITIES, Gpu, Row
from hwcompat.nearness import FAR, Near, Place, near_rows
from hwcompat.query import together
from hwcompat.tablerows import cuda_version, version_key

from .values import Cell, Contradiction, Grid, Said, Subject, Versions

_BY_NAME_ONLY = 2
"""Card distance of a row that names the card and not its chip: farther than any that policy goes by."""
_GOOD = ("ok", "slow", "emulated")


def word_of(one: Consensus) -> str:
    """The verdict, but "suspected" where rows suspect what they do not convict."""
    return one.outcome if one.outcome == "suspected" else one.verdict


# --- a card on one system ---------------------------------------------------------------------------------------------


def said_of(
    subject: Subject, gpus: Sequence[Gpu], rows: Sequence[Row], os: str, date: str, torch: str = "", tag: str = ""
) -> tuple[Said, ...]:
    """One value a capability, in their order: what `rows` say of the card on `os` with the build torch+tag."""
    near = _near(subject, gpus, rows, Place(None, os, torch, tag))
    return tuple(
        _said(consensus(about, name), date) if (about := _about(near, name)) else Said(name) for name in CAPABILITIES
    )


def _about(evidence: Sequence[Near], name: str) -> list[Near]:
    """Those that say anything of a capability: the others have no vote on it."""
    return [near for near in evidence if getattr(near.row, name)]


def _near(subject: Subject, gpus: Sequence[Gpu], rows: Sequence[Row], place: Place) -> tuple[Near, ...]:
    """Rows of the card's chips as policy weighs them, then those that only name the card."""
    places = [place._replace(gpu=gpu) for gpu in gpus] or [place._replace(cpu=subject.name)]
    found: dict[Row, Near] = {}
    for each in places:
        for near in near_rows(rows, each):
            if near.row not in found or near.tier < found[near.row].tier:
                found[near.row] = near
    for row in rows:
        found.setdefault(row, Near(row, (_BY_NAME_ONLY, int(row.os != place.os), FAR)))
    return tuple(sorted(found.values(), key=lambda near: (near.tier, near.voice, near.row)))


def _said(one: Consensus, date: str) -> Said:
    return Said(
        capability=one.capability,
        word=word_of(one),
        decided=one.outcome != "none",
        observations=one.observations,
        measured=one.measured,
        voices=one.voices,
        counts=one.counts,
        oldest=one.oldest,
        newest=one.newest,
        age=one.age_days(date),
    )


# --- builds -----------------------------------------------------------------------------------------------------------


def grids(rows: Sequence[Row], chip: str) -> Iterator[Grid]:
    """One grid a capability that any row with a known torch speaks of. `rows` are of one chip, and standing."""
    builds = together((row for row in rows if row.torch), lambda row: chip)
    for name in CAPABILITIES:
        cells: dict[tuple[str, str], list[Cell]] = {}
        for key, found in builds.items():
            if any(getattr(row, name) for row in found):
                one = consensus_of(found, name)
                cell = Cell(
                    key.os, word_of(one), one.observations, one.measured, one.newest, _doubtful(one), _told(one)
                )
                cells.setdefault((key.torch, key.cuda), []).append(cell)
        if cells:
            yield _grid(chip, name, cells)


def _told(one: Consensus) -> str:
    if set(one.counts) == {word_of(one)}:
        return ""
    return ", ".join(f"{count} {word}" for word, count in one.counts.items())


def _doubtful(one: Consensus) -> bool:
    return one.contradicted or bool(one.digests)


def _grid(chip: str, name: str, cells: Mapping[tuple[str, str], Sequence[Cell]]) -> Grid:
    releases = sorted({torch for torch, _ in cells}, key=lambda text: (version_key(text), text), reverse=True)
    tags = sorted({tag for _, tag in cells}, key=tag_order)
    return Grid(chip, name, tuple(releases), tuple(tags), {key: tuple(sorted(found)) for key, found in cells.items()})


def tag_order(tag: str) -> tuple[object, ...]:
    """CUDA tags by version, then the others by name, the unknown one last."""
    version = version_key(cuda_version(tag))
    return not version, tag == "", version, tag


def versions(rows: Sequence[Row], chip: str) -> Iterator[Versions]:
    """What is known of each capability by release of torch, for those that any row found good or bad."""
    for name in CAPABILITIES:
        words: dict[str, set[str]] = {}
        for key, found in together((row for row in rows if row.torch), lambda row: chip).items():
            words.setdefault(key.torch, set()).update(_words(found, name))
        if any(words.values()):
            yield judged(chip, name, words)


def _words(rows: Sequence[Row], name: str) -> set[str]:
    """What one build's rows come to: good, bad, told (a fault, by too few) or nothing."""
    if not any(getattr(row, name) for row in rows):
        return set()
    one = consensus_of(rows, name)
    if one.outcome in ("faulty", "suspected"):
        return {"bad"}
    if one.outcome == "ok":
        return {"good", "told"} if "faulty" in one.counts else {"good"}
    return {"told"} if "faulty" in one.counts else set()


def judged(chip: str, name: str, words: Mapping[str, set[str]]) -> Versions:
    """`words` by release -> the good, the bad, and the oldest good one after which no bad one is known."""
    order = sorted(words, key=lambda text: (version_key(text), text))
    bad = tuple(torch for torch in order if "bad" in words[torch])
    good = tuple(torch for torch in order if words[torch] and "good" in words[torch] and torch not in bad)
    told = tuple(torch for torch in order if "told" in words[torch])
    after = order.index(bad[-1]) + 1 if bad else 0
    first = next((torch for torch in order[after:] if torch in good), "")
    return Versions(chip, name, good, bad, told, first)


def newest(found: Sequence[Grid], most: int) -> tuple[Grid, ...]:
    """`found` with only so many of the newest releases, the same in all, that at most `most` cells are left."""
    releases = sorted({one for grid in found for one in grid.releases}, key=lambda text: (version_key(text), text))
    kept: set[str] = set()
    room = most
    for release in reversed(releases):
        room -= sum(len(cells) for grid in found for (torch, _), cells in grid.cells.items() if torch == release)
        if room < 0 and kept:
            break
        kept.add(release)
    return tuple(smaller for grid in found if (smaller := _only(grid, kept)).releases)


def _only(grid: Grid, releases: set[str]) -> Grid:
    cells = {key: found for key, found in grid.cells.items() if key[0] in releases}
    return _grid(grid.chip, grid.capability, cells)


# --- contradictions ---------------------------------------------------------------------------------------------------


def contradictions(rows: Sequence[Row], chip: str, anchors: Mapping[Row, str]) -> Iterator[Contradiction]:
    """The capabilities that some rows of the chip vouch for and others fail, with what tells them apart."""
    for name in CAPABILITIES:
        one = consensus_of((row for row in rows if getattr(row, name)), name)
        if one.contradicted:
            sides = [
                tuple(anchors[near.row] for near in side if near.row in anchors) for side in (one.passing, one.failing)
            ]
            explained = tuple((each.column, each.passing, each.failing) for each in one.explanations)
            yield Contradiction(chip, name, sides[0], sides[1], explained)
