"""What the matrix's rows say of one card: which rows are near, who speaks in them, and how the votes fall. Pure.

Failing evidence is never displaced by more failing evidence: which rows are near enough to count is decided by passing
rows alone, and a row with any failure in it vouches for nothing. So one more failing row can only lower the outcome;
rows come in any order, and a voice counts once however often it speaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .model import CAPABILITIES, Gpu, Row

COMPLETE_LEVELS = ("standard", "full")
"""A quick run may find a fault; it cannot clear one."""

MEASURED, REPORTED = 2, 1
"""Votes of one voice: users' reports blame a model as often as a card, so two of them weigh one measurement."""
SUSPECTED = MEASURED
CONVICTED = 2 * MEASURED
"""One sick specimen does not convict a model, two independent ones do."""

FAR = 3
"""Build distance of another major release or of an unnamed build."""

Tier = tuple[int, int, int]
"""(card, operating system, build): 0 is the same."""


class Place(NamedTuple):
    """What rows are compared with: the card (None: the CPU named `cpu`) and the build that will be used."""

    gpu: Gpu | None
    os: str  # as in the matrix's `os` column
    torch: str = ""
    tag: str = ""
    cpu: str | None = None


class Near(NamedTuple):
    """A row of the same card, and how far its circumstances are."""

    row: Row
    tier: Tier

    @property
    def voice(self) -> str:
        """Who speaks: all anonymous rows together are one voice, of reports each thread is one."""
        return self.row.contributor or (self.row.url if self.row.source == "reported" else "") or "anonymous"

    @property
    def weight(self) -> int:
        return REPORTED if self.row.source == "reported" else MEASURED

    @property
    def failing(self) -> bool:
        return bool(self.row.failures) or any(getattr(self.row, name) == "faulty" for name in CAPABILITIES)

    def passes(self, name: str) -> bool:
        vouches = self.row.source == "measured" and self.row.level in COMPLETE_LEVELS and not self.failing
        return vouches and getattr(self.row, name) in ("ok", "slow", "emulated")

    def fails(self, name: str) -> bool:
        """A user's report counts only for builds near this one: most old ones name none, and many blame a model."""
        return getattr(self.row, name) == "faulty" and (self.row.source != "reported" or self.tier[2] < FAR)

    def __str__(self) -> str:
        row = self.row
        build = f"torch {row.torch}" if row.torch else "an unnamed torch"
        return f"{row.url or row.report_id or row.source} ({build}, {row.os or 'unknown OS'}, {row.date or 'undated'})"


def near_rows(rows: Iterable[Row], place: Place) -> tuple[Near, ...]:
    """The rows of this card, nearest first; the order of `rows` is irrelevant."""
    found = [Near(row, tier) for row in rows if (tier := _tier(row, place)) is not None]
    return tuple(sorted(found, key=lambda near: (near.tier, near.voice, str(near), near.row)))


def _tier(row: Row, place: Place) -> Tier | None:
    card = _card_distance(row, place)
    if card is None:
        return None
    return card, int(row.os != place.os), _build_distance(row, place.torch, place.tag)


def _card_distance(row: Row, place: Place) -> int | None:
    """0 the same PCI id, 1 the same chip. Never by name or capability: several chips share either."""
    gpu = place.gpu
    if gpu is None:
        return 0 if row.chip == "cpu" and row.gpu and row.gpu == place.cpu else None
    if gpu.pci_id and row.pci_id.lower() == gpu.pci_id.lower():
        return 0
    return 1 if gpu.chip and row.chip.upper() == gpu.chip.upper() else None


def _build_distance(row: Row, torch: str, tag: str) -> int:
    """0 the same torch and CUDA, 1 the same minor release, 2 the same major, 3 any other or unknown."""
    theirs, ours = row.torch.split("+")[0], torch.split("+")[0]
    if not theirs or not ours:
        return FAR
    if theirs == ours and row.cuda == tag:
        return 0
    shared = [a == b for a, b in zip(theirs.split("."), ours.split("."), strict=False)]
    return 1 if shared[:2] == [True, True] else 2 if shared[0] else FAR


class Votes(NamedTuple):
    """The rows that count for one capability."""

    passing: tuple[Near, ...]
    failing: tuple[Near, ...]

    @property
    def outcome(self) -> str:
        """none, ok, suspected or faulty."""
        against, for_it = _weight(self.failing), _weight(self.passing)
        outvoted = for_it >= 2 * against
        if against >= CONVICTED:
            return "suspected" if outvoted else "faulty"
        if against >= SUSPECTED and not outvoted:
            return "suspected"
        return "ok" if self.passing else "none"


def votes_on(near: Sequence[Near], name: str) -> Votes:
    """The votes of `near` (nearest first) on one capability."""
    horizon = _horizon([n for n in near if n.passes(name)])
    inside = [n for n in near if horizon is None or n.tier <= horizon]
    return Votes(tuple(n for n in inside if n.passes(name)), tuple(n for n in inside if n.fails(name)))


def _horizon(passing: Sequence[Near]) -> Tier | None:
    """The nearest tier by which two voices have passed; rows beyond it are outdone by nearer ones. None: all count."""
    voices: set[str] = set()
    for near in passing:
        voices.add(near.voice)
        if len(voices) == 2:
            return near.tier
    return None


def _weight(rows: Sequence[Near]) -> int:
    """Votes of the distinct voices among `rows`; a voice has its best row's."""
    return sum(max(n.weight for n in rows if n.voice == voice) for voice in {n.voice for n in rows})


def row_speed(passing: Sequence[Near], name: str) -> bool | None:
    """Whether most voices on this operating system found it faster than fp32; speed never crosses systems."""
    found = {(n.voice, faster) for n in passing if n.tier[1] == 0 and (faster := _row_faster(n.row, name)) is not None}
    if not found:
        return None
    gains = sum(faster for _, faster in found)
    return gains > len(found) - gains


def _row_faster(row: Row, name: str) -> bool | None:
    if getattr(row, name) == "slow":
        return False
    ratio = _number(getattr(row, f"{name}_speedup", ""))
    ours, fp32 = _number(getattr(row, f"{name}_tflops", "")), _number(row.fp32_tflops)
    if ratio is None and ours is not None and fp32:
        ratio = ours / fp32
    return None if ratio is None else ratio > 1


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def voices_in(rows: Sequence[Near]) -> int:
    """How many different contributors or threads speak in `rows`."""
    return len({near.voice for near in rows})


def failing_probes(rows: Sequence[Near]) -> tuple[str, ...]:
    """The probes named in failing rows ("conv.forward:float16:fail ...")."""
    words = [word for near in rows for word in near.row.failures.split()]
    return tuple(sorted({word.split(":")[0] for word in words}))
