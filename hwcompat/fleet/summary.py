"""What a fleet consists of and how it fares, a line for each model and build. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from hwcompat import digests
from hwcompat.model import CAPABILITIES

from . import robust
from .card import SPEEDS, Card, Key
from .outliers import Outlier


class Kind(NamedTuple):
    """All cards of one key."""

    key: Mapping[str, str]
    cards: int
    ok: int  # without any finding
    findings: Mapping[str, int]  # cards by kind of finding
    verdicts: Mapping[str, str]  # capability: the most frequent word
    speeds: Mapping[str, float]  # medians of undisturbed measurements

    @property
    def title(self) -> str:
        """NVIDIA H100 80GB HBM3, torch 2.13.0+cu126, driver 570, linux."""
        key = self.key
        driver = f", driver {key['driver']}" if key["driver"] else ""
        level = f", {key['level']}" if key["level"] else ", partial runs"
        return f"{key['gpu']}, torch {key['torch'] or '?'}{driver}, {key['os']}{level}"


def kinds(cards: Iterable[Card], outliers: Iterable[Outlier]) -> tuple[Kind, ...]:
    """The kinds of a fleet, the most frequent first."""
    by_key: dict[Key, list[Card]] = {}
    for card in cards:
        by_key.setdefault(card.key, []).append(card)
    found: dict[Key, dict[str, set[int]]] = {}
    for one in outliers:
        for card in one.cards:
            found.setdefault(card.key, {}).setdefault(one.kind, set()).add(id(card))
    every = (_kind(key, several, found.get(key, {})) for key, several in sorted(by_key.items()))
    return tuple(sorted(every, key=lambda kind: -kind.cards))


def _kind(key: Key, cards: Sequence[Card], findings: Mapping[str, set[int]]) -> Kind:
    named = set().union(*findings.values())
    return Kind(
        key=dict(zip(digests.KEY_NAMES, key, strict=True)),
        cards=len(cards),
        ok=len(cards) - len(named),
        findings={kind: len(several) for kind, several in sorted(findings.items())},
        verdicts={name: word for name in CAPABILITIES if (word := _usual(card_word(c, name) for c in cards))},
        speeds={name: value for name in SPEEDS if (value := _median(cards, name)) is not None},
    )


def card_word(card: Card, capability: str) -> str:
    word: str = getattr(card.row, capability)
    return word


def _usual(words: Iterable[str]) -> str:
    counted = Counter(words)
    return min(counted, key=lambda word: (-counted[word], word))


def _median(cards: Sequence[Card], name: str) -> float | None:
    values = sorted(card.speeds[name].value for card in cards if name in card.speeds and card.speeds[name].clean)
    return robust.quantile(values, 0.5) if values else None
