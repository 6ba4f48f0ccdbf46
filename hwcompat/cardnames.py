"""One name for the many names of a card, so that rows about it stand together. Pure over the tables."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from .model import Row
from .spelling import spellings
from .tables import Tables, chip_of, find_cards


def card_name(text: str, tables: Tables) -> str:
    """The name gpus.csv or other_gpus.csv has for a card, whatever NVML, the PCI database or a shop calls it
    (aliases.csv included); `text` itself, with single spaces, where it means no card or several."""
    names = {card.name for card in find_cards(text, tables)}
    if len(names) == 1:
        return names.pop()
    other = tables.other_gpus.get(spellings(text)[0])
    return other.name if other and not names else " ".join(text.split())


def card_of_row(tables: Tables) -> Callable[[Row], str]:
    """A function that says which card a row is about: its chip; where the row names none, the one chip its PCI id or
    its name stands for; else its name in one spelling. Remembers its answers: rows repeat few cards many times."""

    @lru_cache(maxsize=65536)
    def card(chip: str, pci_id: str, gpu: str) -> str:
        return chip or chip_of(pci_id or None, gpu or None, tables) or card_name(gpu, tables)

    return lambda row: card(row.chip, row.pci_id, row.gpu)
