"""What the tables know of the card in a row: by PCI id first, then chip, then name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache

from hwcompat.model import Card
from hwcompat.tables import find_cards

from .findings import Facts, Limit

_SUBSTITUTES = re.compile(r"\d{1,2}\.\d")


@lru_cache(maxsize=4096)
def by_pci_id(facts: Facts, pci_id: str, subsystem: str) -> tuple[Card, ...]:
    """Cards with this PCI id, by subsystem where the tables tell them apart by it."""
    if not pci_id:
        return ()
    return find_cards(f"{pci_id}:{subsystem}" if subsystem else pci_id, facts.tables)


@lru_cache(maxsize=4096)
def by_name(facts: Facts, name: str) -> tuple[Card, ...]:
    return find_cards(name, facts.tables) if name else ()


@lru_cache(maxsize=1024)
def by_chip(facts: Facts, chip: str) -> tuple[Card, ...]:
    return tuple(card for card in facts.tables.cards if card.chip == chip)


@lru_cache(maxsize=4096)
def nvidia_capability(facts: Facts, chip: str, capability: str) -> str | None:
    """The compute capability as NVIDIA counts it; None for other makers, a processor, or where nobody knows."""
    known = {card.compute_capability for card in by_chip(facts, chip)}
    if len(known) == 1:
        return known.pop()
    return capability if _SUBSTITUTES.fullmatch(capability) else None


def bf16_native(facts: Facts, pci_id: str, subsystem: str, chip: str) -> bool | None:
    """Whether the card computes in bf16; None where the tables do not agree or do not know."""
    return _agreed(facts, pci_id, subsystem, chip, lambda card: card.bf16_native)


def fp8_units(facts: Facts, pci_id: str, subsystem: str, chip: str) -> bool | None:
    """Whether the card computes in fp8; None where the tables do not agree or do not know."""
    return _agreed(facts, pci_id, subsystem, chip, lambda card: card.fp8)


def _agreed(facts: Facts, pci_id: str, subsystem: str, chip: str, fact: Callable[[Card], bool]) -> bool | None:
    said = {fact(card) for card in by_pci_id(facts, pci_id, subsystem) or by_chip(facts, chip)}
    return said.pop() if len(said) == 1 else None


@lru_cache(maxsize=4096)
def limit_of(facts: Facts, chip: str, capability: str) -> Limit | None:
    """The bound for this chip, else for its capability, else for any accelerator; None for a processor."""
    if chip == "cpu":
        return None
    known = nvidia_capability(facts, chip, capability) or ""
    keys = (("chip", chip), ("compute_capability", known), ("device", "any"))
    return next((facts.limits[key] for key in keys if key in facts.limits), None)


def number(text: str) -> float | None:
    """A finite number, or None for an empty cell and for one that holds none."""
    try:
        value = float(text) if text else math.inf
    except ValueError:
        return None
    return value if math.isfinite(value) else None
