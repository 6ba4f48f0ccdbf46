"""Which cards of a fleet differ from the others, and why: every rule of judging a fleet, all of them in `judge`. Pure.

Cards are compared within one key (`digests.comparison_key`: model, PCI id, memory, system, torch build, versions,
level, driver major). What a card says against itself (a failed check, an ECC error) counts whatever others say, unless
most of its kind say the same: then it is the model or the build, and nobody is blamed. What is only *different* (a
fingerprint, a speed) counts from a number of cards on that `robust.py` derives. A finding that holds for all cards of
a node is the node's. The order of cards is irrelevant. docs/fleet.md tells the rules in plain words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, NamedTuple

from hwcompat import digests
from hwcompat.model import CAPABILITIES

from . import robust
from .card import SPEEDS, Card, Key

ADVICE = {
    "faulty": "take it out of service; probe it again with --level full, then swap the slot to tell card from board",
    "memory": "take it out of service: its memory lost data; reset it, and if the errors come back, replace it",
    "crash": "probe it again with --level full; see the kernel log of that time for Xid messages; then replace it",
    "hang": "probe it again with --level full; see the kernel log of that time for Xid messages; then replace it",
    "flaky": "unstable hardware: check power, cooling and clocks, then probe it again with --level full",
    "host": digests.HOST_ADVICE,
    "fingerprint": "probe it again twice with --level full: the same odd digest is another library or kernel, "
    "another one each time is an unstable card",
    "unsupported": "compare driver, firmware and settings (MIG, compute mode) with those of the others",
    "throttled": "check cooling, power cables and power limits, then probe it again",
    "slow": "probe it again with --level full on an idle node; if it stays slow, check clocks, power limit and PCIe "
    "link, then swap the slot",
    "unmeasured": "read its report for what kept every check from running, then probe it again",
    "error": "the check itself broke: report it as a bug of hwcompat with the card's report",
}
"""What to do about every kind of finding, the gravest first."""
KINDS = tuple(ADVICE)
_KIND_OF = {"fail": "faulty", "crash": "crash", "hang": "hang", "flaky": "flaky", "error": "error"}
OVERALL = "overall"
"""All speeds of a card together, as a share of what is usual for its kind."""
SHOWN = 10
"""Names listed in one piece of evidence."""


class Outlier(NamedTuple):
    """Cards that differ in one way: one card, or all cards of a node. `reason` and `evidence` name nobody."""

    kind: str  # one of KINDS
    cards: tuple[Card, ...]
    reason: str
    evidence: Mapping[str, Any] = MappingProxyType({})

    @property
    def whole_node(self) -> bool:
        return len(self.cards) > 1

    @property
    def advice(self) -> str:
        return ADVICE[self.kind] if not self.whole_node else f"all cards of the node: look at the node; {_NODE_ADVICE}"


_NODE_ADVICE = "its power, cooling, driver, libraries and other jobs, then probe it again"


class Note(NamedTuple):
    """What holds for a whole group, or could not be judged: no card is blamed for it."""

    key: Key
    text: str
    cards: tuple[Card, ...] = ()  # those it is about, where they are not the whole group


class Judgement(NamedTuple):
    outliers: tuple[Outlier, ...]
    notes: tuple[Note, ...]


class _Group(NamedTuple):
    key: Key
    cards: tuple[Card, ...]
    chance: float  # of accusing any healthy card of this group, for each way of looking


def judge(cards: Iterable[Card], rate: float = robust.RATE) -> Judgement:
    """Every finding about `cards`, gravest first, and what was noted about whole groups.

    rate: the expected number of healthy cards that each way of looking may accuse in the whole fleet; it is shared
    equally among the groups.
    """
    by_key: dict[Key, list[Card]] = {}
    for card in sorted(cards, key=_order):
        by_key.setdefault(card.key, []).append(card)
    groups = [_Group(key, tuple(found), rate / len(by_key)) for key, found in sorted(by_key.items())]
    found: list[Outlier] = []
    notes: list[Note] = []
    for group in groups:
        for one in chain(_against_itself(group), _held_back(group), _unsupported(group), _digests(group), _slow(group)):
            if isinstance(one, Outlier):
                found.append(one)
            else:
                notes.append(one)
    every = [card for group in groups for card in group.cards]
    return Judgement(tuple(sorted(_by_node(found, every), key=_rank)), tuple(notes))


def _order(card: Card) -> tuple[Any, ...]:
    return card.place, card.id, card.row


def _rank(one: Outlier) -> tuple[Any, ...]:
    return KINDS.index(one.kind), _order(one.cards[0]), one.reason


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} cards of this kind"


# --- what a card says against itself ----------------------------------------------------------------------------------


def _against_itself(group: _Group) -> Iterator[Outlier | Note]:
    total = len(group.cards)
    often = Counter(word for card in group.cards for word in card.bad)
    common = frozenset(word for word, count in often.items() if total > 1 and count > total / 2)
    if common:
        yield Note(
            group.key, f"most of {total} cards fail {_listed(sorted(common))}: the model or the build, not a card"
        )
    for card in group.cards:
        yield from _own_failures(card, [word for word in card.bad if word not in common], often, total)
        if card.memory:
            yield Outlier(
                "memory", (card,), "its memory reports " + ", ".join(card.memory), _facts(reports=card.memory)
            )
        if card.host_digests:
            reason = "its host expects other values than every machine must: processor or memory of the node"
            yield Outlier("host", (card,), reason)
        if not card.measured:
            yield Outlier("unmeasured", (card,), "no check came to a result")


def _own_failures(card: Card, words: Sequence[str], often: Mapping[str, int], total: int) -> Iterator[Outlier]:
    for status, kind in _KIND_OF.items():
        mine = [word for word in words if word.endswith(f":{status}")]
        if mine:
            alike = max(often[word] for word in mine)
            others = _alone(alike, total)
            verdicts = {name: value for name in CAPABILITIES if (value := getattr(card.row, name)) == "faulty"}
            facts = _facts(checks=mine[:SHOWN], count=len(mine), faulty=sorted(verdicts), cards=total, alike=alike)
            yield Outlier(kind, (card,), f"{_listed(mine)} ({others})", facts)


def _alone(alike: int, total: int) -> str:
    if total == 1:
        return "no other card of this kind to compare with"
    return f"as {_share(alike, total)}" if alike > 1 else f"alone among {total} cards of this kind"


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - 3} more" if len(words) > 3 else ""
    return ", ".join(words[:3]) + more


def _facts(**found: Any) -> Mapping[str, Any]:
    return MappingProxyType({name: list(v) if isinstance(v, tuple) else v for name, v in found.items()})


def _held_back(group: _Group) -> Iterator[Outlier | Note]:
    hot = [card for card in group.cards if card.held_back]
    if len(hot) > 1 and len(hot) > len(group.cards) / 2:
        yield Note(
            group.key, f"{_share(len(hot), len(group.cards))} are held back by heat or power: the cooling or a limit"
        )
        return
    known = sorted(card.temperature for card in group.cards if card.temperature is not None)
    usual = robust.quantile(known, 0.5) if known else None
    for card in hot:
        facts = _facts(reasons=card.held_back, temperature_c=card.temperature, median_temperature_c=usual)
        warm = f" at {card.temperature:.0f} C (median {usual:.0f} C)" if card.temperature is not None and usual else ""
        yield Outlier("throttled", (card,), f"held back by {', '.join(card.held_back)}{warm}", facts)


# --- what is different ------------------------------------------------------------------------------------------------


def _unsupported(group: _Group) -> Iterator[Outlier]:
    """A capability that one card lacks and most of its kind have."""
    total = len(group.cards)
    if total < robust.voters(group.chance):
        return
    for name in CAPABILITIES:
        lacking = [card for card in group.cards if getattr(card.row, name) == "unsupported"]
        having = sum(getattr(card.row, name) in ("ok", "slow", "emulated") for card in group.cards)
        if lacking and having > total / 2:
            for card in lacking:
                reason = f"{name} is unsupported here and works on {_share(having, total)}"
                yield Outlier("unsupported", (card,), reason, _facts(capability=name, cards=total, alike=len(lacking)))


def _digests(group: _Group) -> Iterator[Outlier | Note]:
    """Cards that computed other bits than the majority, compared check by check."""
    odd: dict[int, list[str]] = {}
    for name, holders in _differing(group.cards):
        agreed = _agreed(holders, group.chance)
        if isinstance(agreed, str):
            yield Note(group.key, f"{name}: {agreed}")
            continue
        if agreed.variants:
            count = len(agreed.variants)
            text = f"{name}: {count} cards of several nodes share another digest: another library or kernel"
            yield Note(group.key, text, agreed.variants)
        for card in agreed.odd:
            odd.setdefault(id(card), []).append(name)
    for card in group.cards:
        names = odd.get(id(card), [])
        for kind, label in (("fingerprint", "fingerprint"), ("exact", "host")):
            mine = [name for name in names if name.startswith(f"{kind}/")]
            if mine:
                short = [name.split("/", 1)[1] for name in mine]
                reason = f"other bits than {len(group.cards)} cards of this kind in {_listed(short)}"
                yield Outlier(
                    label, (card,), reason, _facts(digests=short[:SHOWN], count=len(mine), cards=len(group.cards))
                )


def _differing(cards: Sequence[Card]) -> Iterator[tuple[str, Mapping[str, Sequence[Card]]]]:
    """(name, cards by digest) of every digest in which the cards differ; cards that share a mapping are one look."""
    alike: dict[int, list[Card]] = {}
    for card in cards:
        alike.setdefault(id(card.digests), []).append(card)
    seen: dict[str, dict[str, list[Card]]] = {}
    for same in alike.values():
        for name, digest in same[0].digests.items():
            seen.setdefault(name, {}).setdefault(digest, []).extend(same)
    return ((name, seen[name]) for name in sorted(seen) if len(seen[name]) > 1)


class _Agreed(NamedTuple):
    odd: Sequence[Card]
    variants: tuple[Card, ...]


def _agreed(holders: Mapping[str, Sequence[Card]], chance: float) -> _Agreed | str:
    """The cards that differ alone, and those that share a digest across nodes; or why nobody can be blamed.

    Two sick cards do not make the same mistake in every bit: what cards of two nodes share is a variant.
    """
    total, most = sum(map(len, holders.values())), max(map(len, holders.values()))
    needed = robust.voters(chance)
    if total < needed:
        return f"{len(holders)} digests among {total} cards; {needed} are needed to say who is wrong"
    if most <= total / 2:
        return f"{len(holders)} digests among {total} cards and no majority: it does not repeat on this kind"
    rest = [found for found in holders.values() if len(found) < most]
    shared = [len({card.place.node or card.id for card in found}) > 1 for found in rest]
    odd = [card for found, variant in zip(rest, shared, strict=True) for card in found if not variant]
    if _units(odd) > robust.most_sick(total, chance):
        return f"{len(odd)} of {total} cards differ, each in its own way: it does not repeat on this kind"
    return _Agreed(odd, tuple(card for found, variant in zip(rest, shared, strict=True) for card in found if variant))


def _units(cards: Sequence[Card]) -> int:
    """Cards of one node are one misfortune: a node without a name is not the same as another one."""
    return len({card.place.node or card.id for card in cards})


def _slow(group: _Group) -> Iterator[Outlier | Note]:
    """Cards below the bound of their group in any absolute speed; what was measured under throttling or load is out."""
    columns = {name: _clean(group.cards, name) for name in SPEEDS}
    most = max(map(len, columns.values()))
    if 1 < most < robust.FEWEST:
        yield Note(group.key, f"the speeds of {most} cards are not compared: {robust.FEWEST} are needed")
    slow: dict[int, dict[str, Any]] = {}
    for name, found, bound in _bounds(columns, group.chance):
        below = [(card, value) for card, value in found if value < bound.least]
        if _is_population([card for card, _ in below], len(found), group.chance):
            yield Note(group.key, _population_words(name, below, bound), tuple(card for card, _ in below))
            continue
        for card, value in below:
            slow.setdefault(id(card), {})[name] = _slowness(card, name, value, bound)
    yield from (_slow_card(card, slow[id(card)]) for card in group.cards if id(card) in slow)


_Column = Sequence[tuple[Card, float]]


def _bounds(columns: Mapping[str, _Column], chance: float) -> Iterator[tuple[str, _Column, robust.Bound]]:
    """(name, cards and values, bound) of every speed that enough cards have, and of all speeds together."""
    tails = robust.common_tails([value for _, value in found] for found in columns.values())
    together = {**columns, OVERALL: _overall(columns.values())}
    each = chance / max(1, sum(map(len, together.values())))
    for name, found in together.items():
        bound = robust.bound([value for _, value in found], each, None if name == OVERALL else tails)
        if bound is not None:
            yield name, found, bound


def _slow_card(card: Card, by_name: Mapping[str, Mapping[str, Any]]) -> Outlier:
    worst = min(by_name, key=lambda name: by_name[name]["of_median"])
    facts = by_name[worst]
    reason = (
        f"{worst} {facts['value']:.4g}, {100 * (1 - facts['of_median']):.0f} % below the median "
        f"{facts['median']:.4g} of {facts['cards']} cards (bound {facts['bound']:.4g})"
    )
    return Outlier("slow", (card,), reason, MappingProxyType(dict(by_name)))


def _clean(cards: Sequence[Card], name: str) -> _Column:
    found = ((card, card.speeds.get(name)) for card in cards)
    return [(card, speed.value) for card, speed in found if speed is not None and speed.clean]


def _overall(columns: Iterable[_Column]) -> _Column:
    """The median of each card's speeds, each as a share of its kind's median; of cards with two speeds or more.

    What slows a card down slows most of it down, while noise strikes one measurement here and another one there.
    """
    shares: dict[int, tuple[Card, list[float]]] = {}
    for found in columns:
        usual = robust.quantile(sorted(value for _, value in found), 0.5) if found else 0.0
        for card, value in found:
            shares.setdefault(id(card), (card, []))[1].append(value / usual)
    return [(card, robust.quantile(sorted(own), 0.5)) for card, own in shares.values() if len(own) > 1]


def _slowness(card: Card, name: str, value: float, bound: robust.Bound) -> Mapping[str, Any]:
    return {
        "value": value,
        "unit": card.speeds[name].unit if name != OVERALL else "x",
        "median": bound.median,
        "bound": bound.least,
        "of_median": value / bound.median,
        "cards": bound.values,
        "scale": bound.scale,
        "factor": bound.factor,
        "note": card.speeds[name].note if name != OVERALL else "",
    }


def _is_population(below: Sequence[Card], total: int, chance: float) -> bool:
    """More cards than sickness explains: a quarter of the group, or more separate nodes than are sick by chance."""
    return len(below) > total / 4 or _units(below) > robust.most_sick(total, chance)


def _population_words(name: str, below: Sequence[tuple[Card, float]], bound: robust.Bound) -> str:
    values = sorted(value for _, value in below)
    return (
        f"{name}: {len(below)} of {bound.values} cards are at {robust.quantile(values, 0.5):.4g}, the median of all is "
        f"{bound.median:.4g}: a second population (power limit, cooling, firmware?), no card is blamed"
    )


# --- nodes ------------------------------------------------------------------------------------------------------------


def _by_node(found: Sequence[Outlier], cards: Sequence[Card]) -> Iterator[Outlier]:
    """The same findings, those that hold for every card of a node (at least two) as one finding about the node."""
    sizes = Counter(card.place.node for card in cards if card.place.node)
    by_node: dict[tuple[str, str], list[Outlier]] = {}
    for one in found:
        by_node.setdefault((one.kind, one.cards[0].place.node), []).append(one)
    for (kind, node), several in by_node.items():
        members = {id(one.cards[0]): one.cards[0] for one in several}
        if node and len(members) > 1 and len(members) == sizes[node] and kind != "memory":
            yield _node_finding(kind, several, tuple(members.values()))
        else:
            yield from several


def _node_finding(kind: str, several: Sequence[Outlier], cards: tuple[Card, ...]) -> Outlier:
    first = min(several, key=lambda one: (_order(one.cards[0]), one.reason))
    reason = f"all {len(cards)} cards of this node; the first: {first.reason}"
    return Outlier(kind, cards, reason, MappingProxyType({"cards_of_node": len(cards), "first": dict(first.evidence)}))
