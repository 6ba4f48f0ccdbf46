"""Which cards get a page, and which rows are about each. Pure over the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from hwcompat.cardnames import card_name
from hwcompat.errors import UsageError
from hwcompat.model import Card, Row
from hwcompat.spelling import spellings
from hwcompat.tables import Tables, chip_of, find_cards, resolve_gpu

from .slugs import distinct
from .values import Subject


class Placed(NamedTuple):
    """Rows by the card they name, rows by the chip they are about, and those that name no card."""

    named: Mapping[str, tuple[Row, ...]]
    by_chip: Mapping[str, tuple[Row, ...]]
    nowhere: tuple[Row, ...]


class _Naming:
    """Remembers what each way to name a card means: rows repeat few of them many times."""

    def __init__(self, tables: Tables, rows: Iterable[Row]) -> None:
        self.tables = tables
        self.known = {gpu.name: gpu.name for gpu in tables.other_gpus.values()} | canonical(tables)
        self.names: dict[tuple[str, str], str] = {}
        self.chips: dict[tuple[str, str, str], str] = {}
        self.written = _written(row.gpu for row in rows)

    def name(self, row: Row) -> str:
        """The card that `row` names, in the words of the tables if they know it; "" if it names none."""
        key = (row.pci_id, row.gpu)
        if key not in self.names:
            self.names[key] = self._name(row)
        return self.names[key]

    def _name(self, row: Row) -> str:
        by_id = {self.known[card.name] for card in find_cards(row.pci_id, self.tables)} if row.pci_id else set()
        said = card_name(row.gpu, self.tables)
        if said in self.known or len(by_id) != 1:
            return self.known[said] if said in self.known else self.written.get(_loosely(said), said)
        return by_id.pop()

    def chip(self, row: Row) -> str:
        key = (row.chip, row.pci_id, row.gpu)
        if key not in self.chips:
            self.chips[key] = (row.chip or chip_of(row.pci_id or None, row.gpu or None, self.tables) or "").upper()
        return self.chips[key]


def canonical(tables: Tables) -> dict[str, str]:
    """{name in gpus.csv: the name of its page}: names that differ only in their spelling ("RTX 2070 SUPER" on a desk,
    "RTX 2070 Super" in a laptop) share one, since nobody who reads or writes them knows the difference."""
    first: dict[str, str] = {}
    return {card.name: first.setdefault(spellings(card.name)[0], card.name) for card in tables.cards}


def _written(names: Iterable[str]) -> dict[str, str]:
    """{spelling: the way most rows write it}."""
    counts = Counter(" ".join(name.split()) for name in names)
    found: dict[str, str] = {}
    for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        found.setdefault(_loosely(name), name)
    return found


def _loosely(name: str) -> str:
    return spellings(name)[0] or name.casefold()


def placed(rows: Sequence[Row], tables: Tables) -> Placed:
    """`rows` by card and by chip, in their order."""
    naming = _Naming(tables, rows)
    named: dict[str, list[Row]] = {}
    by_chip: dict[str, list[Row]] = {}
    nowhere = []
    for row in rows:
        if name := naming.name(row):
            named.setdefault(name, []).append(row)
        if chip := naming.chip(row):
            by_chip.setdefault(chip, []).append(row)
        if not name and not chip:
            nowhere.append(row)
    return Placed(
        {name: tuple(found) for name, found in named.items()},
        {chip: tuple(found) for chip, found in by_chip.items()},
        tuple(nowhere),
    )


def subjects(where: Placed, tables: Tables) -> tuple[Subject, ...]:
    """Every card of the tables and of the rows, sorted by name."""
    models: dict[str, list[Card]] = {}
    page_of = canonical(tables)
    for card in tables.cards:
        models.setdefault(page_of[card.name], []).append(card)
    others = {gpu.name: gpu for gpu in tables.other_gpus.values()}
    slugs = distinct({*models, *others}, where.named)
    also: dict[str, list[str]] = {}
    for other, name in (*tables.aliases, *page_of.items()):
        if other != name:
            also.setdefault(page_of.get(name, name), []).append(other)
    found = []
    for name in sorted(slugs):
        if name in models:
            found.append(_of_table(name, slugs[name], models[name], also.get(name, ())))
        elif name in others:
            gpu = others[name]
            target = (gpu.compute_capability,) if gpu.compute_capability else ()
            ask = name if gpu.vendor in name.lower() else f"{gpu.vendor} {name}"
            found.append(Subject(name, slugs[name], ask, gpu.vendor, (), target, target))
        else:
            found.append(_of_rows(name, slugs[name], where.named[name], tables))
    return tuple(found)


def _of_table(name: str, slug: str, models: Sequence[Card], also: Sequence[str]) -> Subject:
    chips = tuple(dict.fromkeys(card.chip for card in models))
    capabilities = tuple(dict.fromkeys(card.compute_capability for card in models))
    return Subject(name, slug, name, "nvidia", tuple(models), chips, capabilities, tuple(sorted(set(also))))


def _of_rows(name: str, slug: str, rows: Sequence[Row], tables: Tables) -> Subject:
    chips = tuple(sorted({row.chip for row in rows if row.chip}))
    capabilities = tuple(sorted({row.compute_capability for row in rows if row.compute_capability}))
    if chips == ("cpu",):
        return Subject(name, slug, "cpu", "", chips=chips, known=False)
    ask = capabilities[0] if len(capabilities) == 1 and _understood(capabilities[0], tables) else ""
    return Subject(name, slug, ask, "", (), chips, capabilities, known=False)


def _understood(text: str, tables: Tables) -> bool:
    try:
        return bool(resolve_gpu(text, tables))
    except UsageError:
        return False


def rows_about(subject: Subject, where: Placed) -> tuple[Row, ...]:
    """The rows that name the card, then those about other cards of its chips."""
    own = where.named.get(subject.name, ())
    others = (row for chip in subject.chips for row in where.by_chip.get(chip.upper(), ()))
    return tuple(dict.fromkeys((*own, *others)))
