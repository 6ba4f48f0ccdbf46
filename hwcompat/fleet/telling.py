"""A judged fleet in words, and as JSON. Names of nodes and slots stand only in the private form. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hwcompat.digests import KEY_NAMES
from hwcompat.wording import ascii_line

from .card import Card
from .gathering import Fleet, Missing
from .outliers import Judgement, Note, Outlier
from .robust import RATE
from .summary import Kind, kinds

MANY = 20
"""Entries of one list that the text shows; --json has all."""
_UNITS = {"fp32_tflops": "fp32", "tf32_tflops": "tf32", "fp16_tflops": "fp16", "bf16_tflops": "bf16"}


class Told(NamedTuple):
    """What is told, and to whom. public: nothing that names a node, slot or file."""

    fleet: Fleet
    judgement: Judgement
    public: bool = False


def text(told: Told) -> str:
    """The whole answer for a person, in ASCII, ending in a line feed."""
    return "".join(f"{ascii_line(line)}\n" for line in _lines(told))


def _lines(told: Told) -> Iterator[str]:
    fleet, judgement = told.fleet, told.judgement
    yield from _head(fleet, told.public)
    yield ""
    for kind in kinds(fleet.cards, judgement.outliers):
        yield from _kind_lines(kind)
    yield ""
    yield from _outlier_lines(judgement.outliers, told.public)
    yield from _section("missing", [_missing_line(one, told.public) for one in fleet.missing], _missing_head(fleet))
    yield from _section("not used", _problem_lines(told), f"{len(fleet.problems)} files could not be used")
    yield from _section("noted", [_note_line(note) for note in judgement.notes], "nobody is blamed for these")
    if fleet.duplicates:
        yield f"copies: {len(fleet.duplicates)} files hold a report that another file holds as well; each counts once"


def _head(fleet: Fleet, public: bool) -> Iterator[str]:
    nodes = len({card.place.node for card in fleet.cards if card.place.node})
    of = f" of {fleet.expected}" if fleet.expected else ""
    on = "" if not nodes else " on one node" if nodes == 1 else f" on {nodes} nodes"
    yield f"{len(fleet.cards)}{of} cards{on}"
    if not public:
        yield "private: names nodes; leave names out with --public"


def _kind_lines(kind: Kind) -> Iterator[str]:
    findings = "".join(f", {count} {name}" for name, count in kind.findings.items())
    yield f"{kind.title}: {kind.cards} cards, {kind.ok} ok{findings}"
    speeds = [f"{word} {kind.speeds[name]:.4g}" for name, word in _UNITS.items() if name in kind.speeds]
    memory = f"; memory {kind.speeds['bandwidth_gbs']:.4g} GB/s" if "bandwidth_gbs" in kind.speeds else ""
    words = " ".join(f"{name}:{word}" for name, word in kind.verdicts.items())
    medians = f"median {' '.join(speeds)} TFLOP/s{memory}; " if speeds else ""
    yield f"  {medians}{words}"


def _outlier_lines(outliers: Sequence[Outlier], public: bool) -> Iterator[str]:
    if not outliers:
        yield "outliers: none"
        return
    yield f"outliers: {len(outliers)}"
    for one in outliers[:MANY]:
        yield f"  {one.kind}: {_who(one, public)}: {one.reason}"
        yield f"    what to do: {one.advice}"
    if len(outliers) > MANY:
        counts = Counter(one.kind for one in outliers[MANY:])
        rest = ", ".join(f"{n} {kind}" for kind, n in counts.items())
        yield f"  and {len(outliers) - MANY} more ({rest}): see --json"


def _who(one: Outlier, public: bool) -> str:
    ids = f"report {one.cards[0].id}" if len(one.cards) == 1 else f"{len(one.cards)} cards of one node"
    if public or not one.cards[0].place.node:
        return f"{one.cards[0].row.gpu}, {ids}"
    where = f"node {one.cards[0].place.node}" if one.whole_node else str(one.cards[0].place)
    return f"{where} ({one.cards[0].row.gpu}, {ids})"


def _missing_head(fleet: Fleet) -> str:
    counts = Counter({one.outcome: 0 for one in fleet.missing})
    for one in fleet.missing:
        counts[one.outcome] += one.cards
    return f"{sum(counts.values())} cards ({', '.join(f'{n} {word}' for word, n in sorted(counts.items()))})"


def _missing_line(one: Missing, public: bool) -> str:
    many = f", {one.cards} cards" if one.cards > 1 else ""
    tries = f", {one.attempts} attempts" if one.attempts > 1 else ""
    if public:
        return f"{one.outcome}{many}{tries}"
    detail = f": {one.detail[:200]}" if one.detail else ""
    return f"{one.place}: {one.outcome}{many}{tries}{detail}"


def _problem_lines(told: Told) -> list[str]:
    return [] if told.public else [one.reason for one in told.fleet.problems]


def _note_line(note: Note) -> str:
    key = dict(zip(KEY_NAMES, note.key, strict=True))
    return f"{key['gpu'] or 'unknown card'}, torch {key['torch'] or '?'}: {note.text}"


def _section(name: str, lines: Sequence[str], head: str) -> Iterator[str]:
    if lines or (name == "not used" and not head.startswith("0 ")):
        yield f"{name}: {head}"
        yield from (f"  {line}" for line in lines[:MANY])
        if len(lines) > MANY:
            yield f"  and {len(lines) - MANY} more: see --json"


# --- JSON -------------------------------------------------------------------------------------------------------------


def document(told: Told) -> dict[str, Any]:
    """The same for a program; `private` says whether it names nodes and must stay inside the fleet."""
    fleet, judgement, public = told
    found: dict[str, Any] = {
        "schema": 1,
        "private": not public,
        "rate": RATE,
        "cards": len(fleet.cards),
        "expected": fleet.expected,
        "kinds": [_kind_json(kind) for kind in kinds(fleet.cards, judgement.outliers)],
        "outliers": [_outlier_json(one, public) for one in judgement.outliers],
        "missing": [_missing_json(one, public) for one in fleet.missing],
        "problems": len(fleet.problems) if public else [one._asdict() for one in fleet.problems],
        "duplicates": len(fleet.duplicates) if public else list(fleet.duplicates),
        "notes": [_note_json(note, public) for note in judgement.notes],
    }
    if fleet.run and not public:
        found["run"] = fleet.run.id
    return found


def _kind_json(kind: Kind) -> Mapping[str, Any]:
    return kind._asdict()


def _card_json(card: Card, public: bool) -> Mapping[str, Any]:
    anonymous = {"report": card.id, "gpu": card.row.gpu, "pci_id": card.row.pci_id}
    return anonymous if public else {**anonymous, "node": card.place.node, "slot": card.place.slot}


def _outlier_json(one: Outlier, public: bool) -> Mapping[str, Any]:
    return {
        "kind": one.kind,
        "whole_node": one.whole_node,
        "cards": [_card_json(card, public) for card in one.cards],
        "reason": one.reason,
        "evidence": _plain(one.evidence),
        "advice": one.advice,
    }


def _missing_json(one: Missing, public: bool) -> Mapping[str, Any]:
    counts = {"outcome": one.outcome, "cards": one.cards, "attempts": one.attempts}
    return counts if public else {"node": one.place.node, "slot": one.place.slot, **counts, "detail": one.detail}


def _note_json(note: Note, public: bool) -> Mapping[str, Any]:
    told = {"key": dict(zip(KEY_NAMES, note.key, strict=True)), "text": note.text, "cards": len(note.cards)}
    return told if public else {**told, "nodes": sorted({card.place.node for card in note.cards if card.place.node})}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
