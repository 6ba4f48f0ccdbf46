"""Which rows of the matrix speak of one card, how far their circumstances are, and who speaks in them. Pure.

What the rows found then weighs is said in one place: `consensus`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .merging import report_ids, standing
from .model import Gpu, Row

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
    def witnesses(self) -> tuple[object, ...]:
        """The reports behind the row; a row that names none is its own witness. Each thread is another report."""
        ids = report_ids(self.row) or (self.row,)
        return tuple((one, self.row.url) for one in ids) if self.row.source == "reported" else ids

    def __str__(self) -> str:
        row = self.row
        build = f"torch {row.torch}" if row.torch else "an unnamed torch"
        return f"{row.url or row.report_id or row.source} ({build}, {row.os or 'unknown OS'}, {row.date or 'undated'})"


def near_rows(rows: Iterable[Row], place: Place) -> tuple[Near, ...]:
    """The standing rows of this card, nearest first, equal ones once; the order of `rows` is irrelevant."""
    return _sorted(Near(row, tier) for row in standing(rows) if (tier := _tier(row, place)) is not None)


def alike(rows: Iterable[Row]) -> tuple[Near, ...]:
    """The standing rows of one key (card, system, build, as the caller grouped them): all equally near."""
    return _sorted(Near(row, (0, 0, 0 if row.torch else FAR)) for row in standing(rows))


def _sorted(found: Iterable[Near]) -> tuple[Near, ...]:
    return tuple(
        sorted(set(found), key=lambda near: (near.tier, near.voice, near.row.url, near.row.report_id, near.row))
    )


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
