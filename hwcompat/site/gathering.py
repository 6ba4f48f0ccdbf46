"""Rows and tables -> everything that the pages say. Pure; what belongs to a chip is worked out once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from hwcompat import coverage, merging
from hwcompat.knownfaults import concerns_card
from hwcompat.model import CAPABILITIES, Fault, Gpu, Row
from hwcompat.spelling import spellings
from hwcompat.tables import Tables

from .answers import answers
from .observed import contradictions, grids, versions
from .slugs import distinct
from .speeds import charts
from .subjects import Placed, placed, rows_about, subjects
from .values import Answer, CardPage, ChipPage, Entry, Evidence, FaultPage, Key, Said, Site, Subject

MOST_EVIDENCE, MOST_OF_CHIP = 60, 240
"""Rows listed on the page of a card or fault, and of a chip; the others are counted there and stand in the data."""


class _World(NamedTuple):
    """What every page needs."""

    date: str
    tables: Tables
    where: Placed  # all rows
    standing: Placed  # those that count
    anchors: Mapping[Row, str]
    withdrawn: Mapping[Row, str]
    by_chip: Mapping[str, tuple[Subject, ...]]
    chips: Mapping[str, ChipPage] = {}


def gather(rows: Iterable[Row], tables: Tables, date: str) -> Site:
    """Everything the site for `rows` says on `date`, whatever the order of `rows`."""
    every = merging.merge(rows)
    standing = merging.standing(every)
    where = placed(every, tables)
    cards = subjects(where, tables)
    world = _world(every, standing, where, cards, tables, date)
    pages = tuple(_card(one, world) for one in cards)
    return Site(
        date=date,
        tables=tables,
        rows=every,
        cards=pages,
        chips=tuple(world.chips[chip] for chip in sorted(world.chips)),
        groups=_groups(cards, world),
        entries=tuple(sorted((_entry(page, world) for page in pages), key=_importance)),
        faults=_faults(pages, world),
        coverage=coverage.coverage(every),
        wanted=coverage.wanted(every, tables),
        unplaced=tuple(_evidence(row, world, False) for row in _newest_first(where.nowhere)),
        slugs={page.subject.name: page.subject.slug for page in pages},
    )


def _world(
    every: Sequence[Row],
    standing: Sequence[Row],
    where: Placed,
    cards: Sequence[Subject],
    tables: Tables,
    date: str,
) -> _World:
    anchors = _anchors(every)
    counting = placed(standing, tables)
    by_chip: dict[str, list[Subject]] = {}
    for one in cards:
        for chip in one.chips:
            by_chip.setdefault(chip.upper(), []).append(one)
    listed = {chip: tuple(found) for chip, found in by_chip.items()}
    world = _World(date, tables, where, counting, anchors, _withdrawn(every), listed)
    return world._replace(chips=_chip_pages(world))


def _chip_pages(world: _World) -> dict[str, ChipPage]:
    """What rows say of each chip that any row is about; processors have none, since each is a card of its own."""
    spoken_of = {chip: rows for chip, rows in world.standing.by_chip.items() if chip != "CPU"}
    known = {chip for chip in spoken_of if world.by_chip.get(chip)}
    slugs = distinct(known, spoken_of)
    return {chip: _chip(chip, slugs[chip], rows, world) for chip, rows in spoken_of.items()}


def _chip(chip: str, slug: str, rows: Sequence[Row], world: _World) -> ChipPage:
    found = tuple(grids(rows, chip)), tuple(versions(rows, chip)), tuple(contradictions(rows, chip, world.anchors))
    listed = _newest_first(world.where.by_chip[chip])
    evidence = tuple(_evidence(row, world, True) for row in listed[:MOST_OF_CHIP])
    return ChipPage(chip, slug, len(rows), *found, world.by_chip.get(chip, ()), evidence, len(listed) - len(evidence))


def _anchors(rows: Sequence[Row]) -> dict[Row, str]:
    """A lasting id a row: made of its reports, or of the whole row where it names none; distinct on every page."""
    found: dict[Row, str] = {}
    taken: set[str] = set()
    for row in rows:
        text = row.report_id or "\x1f".join(row)
        if row.source == "reported":
            text += row.url
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        anchor = f"row-{digest[:10]}"
        if anchor in taken:
            anchor = f"row-{hashlib.sha256(chr(31).join(row).encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
        taken.add(anchor)
        found[row] = anchor
    return found


def _withdrawn(rows: Sequence[Row]) -> dict[Row, str]:
    """Why each row does not count, for those that do not."""
    gone = merging.withdrawn_ids(rows)
    found = {}
    for row in rows:
        if row.retracted:
            found[row] = f"withdrawn: {row.retracted}"
        elif gone and (ids := merging.report_ids(row)) and not set(ids) - gone:
            found[row] = "replaced or withdrawn by another row"
    return found


# --- a card -----------------------------------------------------------------------------------------------------------


def _card(subject: Subject, world: _World) -> CardPage:
    rows = rows_about(subject, world.standing)
    told = answers(subject, rows, world.tables, world.date)
    own = world.standing.named.get(subject.name, ())
    own_charts = tuple(charts(own))
    evidence, left_out = _evidence_of(subject, world)
    return CardPage(
        subject=subject,
        badge=badge_words(told, subject),
        answers=told,
        chips=tuple(world.chips[chip.upper()] for chip in subject.chips if chip.upper() in world.chips),
        charts=own_charts or tuple(charts(rows)),
        own_speed=bool(own_charts),
        evidence=evidence,
        left_out=left_out,
        faults=tuple(fault for fault in world.tables.faults if concerns(fault, subject)),
        neighbours=_neighbours(subject, world),
    )


def _neighbours(subject: Subject, world: _World) -> tuple[Subject, ...]:
    found = (one for chip in subject.chips for one in world.by_chip[chip.upper()] if one != subject)
    return tuple(dict.fromkeys(found)) if subject.ask != "cpu" else ()


def _evidence_of(subject: Subject, world: _World) -> tuple[tuple[Evidence, ...], int]:
    """The rows of the card, then those of its chips, newest first, and how many did not fit."""
    own = world.where.named.get(subject.name, ())
    mine = set(own)
    others = [row for row in rows_about(subject, world.where) if row not in mine]
    listed = [*((row, True) for row in _newest_first(own)), *((row, False) for row in _newest_first(others))]
    shown = tuple(_evidence(row, world, is_own) for row, is_own in listed[:MOST_EVIDENCE])
    return shown, len(listed) - len(shown)


def _evidence(row: Row, world: _World, own: bool) -> Evidence:
    return Evidence(world.anchors[row], row, own, world.withdrawn.get(row, ""))


def _newest_first(rows: Iterable[Row]) -> list[Row]:
    return sorted(sorted(rows), key=lambda row: (row.date, row.source == "measured"), reverse=True)


def badge_words(told: Sequence[Answer], subject: Subject) -> tuple[str, str, str]:
    """(label, message, verdict) of the card's badge: fp16, with the number of reports behind it and the newest."""
    said = [one for answer in told for one in answer.said if one.capability == "fp16"]
    one = said[0] if said else Said("fp16")
    verdict = one.assumed or one.word or "unknown"
    if one.word == verdict and one.observations:
        reports = f"{one.observations} report{'s' if one.observations > 1 else ''}"
        return "fp16", ", ".join(filter(None, (verdict, reports, one.newest[:7]))), verdict
    known = "known fault" if verdict == "faulty" else "by the chip" if verdict != "unknown" else "nobody measured it"
    return "fp16", f"{verdict}, {known}", verdict


# --- the list of all --------------------------------------------------------------------------------------------------


def _entry(page: CardPage, world: _World) -> Entry:
    subject = page.subject
    rows = rows_about(subject, world.standing)
    first = page.answers[0].said if page.answers else ()
    sizes = sorted({size for card in subject.models for size in card.vram_gb})
    return Entry(
        subject=subject,
        words=_words(subject),
        memory=" or ".join(f"{size:g}" for size in sizes),
        architectures=tuple(dict.fromkeys(card.architecture for card in subject.models)),
        rows=len(rows),
        measured=sum(row.source == "measured" for row in rows),
        newest=max((row.date for row in rows), default=""),
        verdicts={one.capability: word for one in first if (word := one.assumed or one.word)},
        groups=tuple(_groups_of(subject, world)),
        decided={one.capability: one.observations for one in first if one.decided},
    )


def _groups_of(subject: Subject, world: _World) -> dict[str, tuple[Row, ...]]:
    """The rows that the card is found by: those of its chips, and those that name it and none of them."""
    found = {chip: world.standing.by_chip[chip.upper()] for chip in subject.chips if chip.upper() in world.chips}
    of_chips = {row for rows in found.values() for row in rows}
    rest = tuple(row for row in world.standing.named.get(subject.name, ()) if row not in of_chips)
    return found | ({f"card {subject.name}": rest} if rest else {})


def _groups(cards: Sequence[Subject], world: _World) -> dict[str, tuple[Key, ...]]:
    found: dict[str, tuple[Key, ...]] = {}
    for subject in cards:
        for name, rows in _groups_of(subject, world).items():
            if name not in found:
                found[name] = tuple(sorted({_key(row) for row in rows}))
    return found


def _words(subject: Subject) -> tuple[str, ...]:
    """What the card is found by, each in the one spelling that `spelling.spellings` makes of it."""
    names = (subject.name, *subject.also)
    spelt = [form for name in names for form in spellings(name)]
    facts = [*subject.chips, *subject.compute_capabilities, *(pci for card in subject.models for pci in card.pci_ids)]
    return tuple(dict.fromkeys(word for word in (*spelt, *(fact.lower() for fact in facts)) if word))


def _key(row: Row) -> Key:
    verdicts = tuple(f"{name}={word}" for name in CAPABILITIES if (word := getattr(row, name)))
    return coverage.minor(row.torch), row.cuda, row.source, verdicts


def _importance(entry: Entry) -> tuple[object, ...]:
    """Cards that rows speak of first, those with most rows before the others."""
    return -min(entry.measured, 1), -entry.rows, not entry.subject.known, entry.subject.name


# --- known faults -----------------------------------------------------------------------------------------------------


def concerns(fault: Fault, subject: Subject) -> bool:
    """Whether a machine with any card of this name can have the fault, whatever its software."""
    return bool(subject.vendor) and any(concerns_card(fault, gpu) for gpu in _gpus(subject))


def _gpus(subject: Subject) -> Iterator[Gpu]:
    """Every card that is sold under the name, as a machine would show it."""
    for card in subject.models:
        for pci_id in card.pci_ids or ("",):
            yield Gpu(
                card.name,
                subject.vendor,
                pci_id[:9] or None,
                chip=card.chip,
                compute_capability=card.compute_capability,
            )
    if not subject.models:
        for chip in subject.chips or (None,):
            for capability in subject.compute_capabilities or (None,):
                yield Gpu(subject.name, subject.vendor, chip=chip, compute_capability=capability)


def _faults(pages: Sequence[CardPage], world: _World) -> tuple[FaultPage, ...]:
    slugs = distinct(fault.id for fault in world.tables.faults)
    return tuple(_fault(fault, slugs[fault.id], pages, world) for fault in world.tables.faults)


def _fault(fault: Fault, slug: str, pages: Sequence[CardPage], world: _World) -> FaultPage:
    cards = tuple(page.subject for page in pages if fault in page.faults)
    everyone = not (fault.chips or fault.pci_ids or fault.compute_capabilities)
    urls = set(fault.citations)
    shown = {row for row in world.anchors if row.url in urls}
    for card in cards if not everyone else ():
        counting = (row for row in rows_about(card, world.where) if row not in world.withdrawn)
        shown.update(row for row in counting if _shows(row, fault))
    evidence = tuple(_evidence(row, world, True) for row in _newest_first(shown)[:MOST_EVIDENCE])
    return FaultPage(fault, slug, cards, everyone, evidence)


def _shows(row: Row, fault: Fault) -> bool:
    """Whether the row found what the fault says: a probe that detects it failed, or its verdict on such a card."""
    probes = {word.split(":")[0] for word in row.failures.split()}
    return not probes.isdisjoint(fault.detected_by) or any(
        getattr(row, name) == word for name, word in fault.verdicts.items()
    )
