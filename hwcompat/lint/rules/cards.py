"""The card of a row against gpus.csv: name, PCI id, chip, capability, memory; and cards that are new."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from hwcompat.lint.cards import by_chip, by_name, by_pci_id, number
from hwcompat.lint.findings import NEW, Complaint, Facts, row_rule
from hwcompat.model import Card
from hwcompat.spelling import memory_gb, mig_profile, spellings

NVIDIA, AMD = "10de:", "1002:"
_VIRTUAL = re.compile(r"-(\d+)[A-Z]\w*$")
"""The profile at the end of a virtual card's name, with its GB: GRID T4-8C (docs.nvidia.com/vgpu, profile names)."""

ROOM = 0.8, 1.07
"""Memory that a system reports over the nominal size. Below: ECC takes 1/16 on GDDR (23028 MiB of an A10's 24 GB:
github.com/modal-labs/modal-client/pull/2797), the driver its share, and a slice is named generously (1g.24gb has 20.00
GiB: github.com/NVIDIA/gpu-operator/pull/1303). Above: makers round, and a GB of theirs may be 10**9 bytes."""


@row_rule("gpu", "pci_id", "chip", "compute_capability", "vram_gb", "source")
def a_new_card_is_welcome(
    facts: Facts, gpu: str, pci_id: str, chip: str, capability: str, vram: str, source: str
) -> Iterator[Complaint]:
    """A card that no table knows is no mistake: a line for gpus.csv is proposed."""
    if pci_id.startswith(NVIDIA):
        if not by_pci_id(facts, pci_id, "") and re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{4}", pci_id):
            line = proposed_line(facts, gpu, pci_id, chip, capability, vram)
            yield Complaint("pci_id", pci_id, "a card that no table knows yet: welcome", f"gpus.csv: {line}", NEW)
    elif pci_id.startswith(AMD) and source == "measured" and spellings(gpu)[0] not in facts.tables.other_gpus:
        target = capability if capability.startswith("gfx") else ""
        line = _line(gpu, "amd", target, "a measured row of this card", "no", "")
        yield Complaint("gpu", gpu, "a card that no table knows yet: welcome", f"other_gpus.csv: {line}", NEW)


def proposed_line(facts: Facts, gpu: str, pci_id: str, chip: str, capability: str, vram: str) -> str:
    """A line of gpus.csv for a card no table knows: what its row says, and what all cards of its chip, else of its
    capability, have in common. Whoever adds it checks it, names the source and corrects `verified`."""
    kin = by_chip(facts, chip) or tuple(c for c in facts.tables.cards if c.compute_capability == capability)
    segment = "mobile" if "laptop" in gpu.lower() else "geforce" if "geforce" in gpu.lower() else "datacenter"
    rates = {card.fp16_rate for card in kin}
    rate = rates.pop() if len(rates) == 1 else None
    return _line(
        gpu,
        pci_id,
        chip or _common({card.chip for card in kin}),
        _common({card.architecture for card in kin}),
        capability or _common({card.compute_capability for card in kin}),
        f"{round(size)}" if (size := number(vram)) else "",
        *(_common({"yes" if getattr(card, name) else "no" for card in kin}) for name in ("tensor_cores",)),
        "" if rate is None else f"{rate:g}",
        *(_common({"yes" if getattr(card, name) else "no" for card in kin}) for name in ("bf16_native", "fp8")),
        segment,
        "a measured row of this card",
        "no",
        "",
    )


def _common(words: set[str]) -> str:
    return words.pop() if len(words) == 1 else ""


def _line(*cells: str) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


@row_rule("pci_id", "pci_subsystem")
def a_subsystem_needs_its_device(facts: Facts, pci_id: str, subsystem: str) -> Iterator[Complaint]:
    """A subsystem id says nothing without the PCI id it belongs to."""
    if subsystem and not pci_id:
        yield Complaint("pci_subsystem", subsystem, "pci_id is empty", "fill in pci_id, or leave both empty")


@row_rule("pci_id", "pci_subsystem", "chip")
def the_chip_is_that_of_the_pci_id(facts: Facts, pci_id: str, subsystem: str, chip: str) -> Iterator[Complaint]:
    """The chip of a known PCI id is the one in gpus.csv."""
    cards = by_pci_id(facts, pci_id, subsystem)
    if chip and cards and all(card.chip != chip for card in cards):
        chips = " or ".join(sorted({card.chip for card in cards}))
        yield Complaint("chip", chip, f"{pci_id} is {cards[0].name} with {chips}", f"write {chips}")


@row_rule("gpu", "pci_id", "pci_subsystem")
def the_name_fits_the_pci_id(facts: Facts, gpu: str, pci_id: str, subsystem: str) -> Iterator[Complaint]:
    """A known name and a known PCI id are not of two chips."""
    cards, named = by_pci_id(facts, pci_id, subsystem), by_name(facts, gpu)
    if cards and named and not {card.chip for card in cards} & {card.chip for card in named}:
        yield Complaint("gpu", gpu, f"{pci_id} is {cards[0].name}", "correct the name or the PCI id")


@row_rule("gpu", "pci_id", "chip")
def the_name_fits_the_chip(facts: Facts, gpu: str, pci_id: str, chip: str) -> Iterator[Complaint]:
    """A known name stands with a chip it is sold on, unless the PCI id says that the card is new."""
    named = by_name(facts, gpu)
    is_new = bool(pci_id) and not by_pci_id(facts, pci_id, "")
    if chip and named and not is_new and all(card.chip != chip for card in named):
        chips = " or ".join(sorted({card.chip for card in named}))
        yield Complaint("chip", chip, f"{gpu} is sold with {chips}", "correct the chip or the name")


@row_rule("chip", "compute_capability")
def the_capability_is_that_of_the_chip(facts: Facts, chip: str, capability: str) -> Iterator[Complaint]:
    """A known chip has the compute capability that gpus.csv gives it."""
    known = {card.compute_capability for card in by_chip(facts, chip)}
    if capability and known and capability not in known:
        of_chip = " or ".join(sorted(known))
        yield Complaint("compute_capability", capability, f"{chip} has {of_chip}", f"write {of_chip}")


@row_rule("gpu", "pci_id", "pci_subsystem", "chip", "vram_gb")
def the_memory_is_that_of_the_card(
    facts: Facts, gpu: str, pci_id: str, subsystem: str, chip: str, vram: str
) -> Iterator[Complaint]:
    """A card, a MIG slice or a virtual card has the memory it is sold with, or twice that: boards get rebuilt so."""
    size = number(vram)
    low, high, whose = _memory(facts, gpu, pci_id, subsystem, chip) if size is not None else (0.0, 0.0, "")
    if size is not None and whose and not low <= size <= high:
        yield Complaint(
            "vram_gb", vram, f"{whose} has {low:.3g} to {high:.3g} GiB", "correct the memory, or the card it is said of"
        )


def _memory(facts: Facts, gpu: str, pci_id: str, subsystem: str, chip: str) -> tuple[float, float, str]:
    """The least and most memory in GiB, and whose; whose is empty where nobody knows."""
    virtual = _VIRTUAL.search(gpu)
    part = memory_gb(gpu) if mig_profile(gpu) else int(virtual[1]) if virtual else None
    if part:
        return part * ROOM[0], part * ROOM[1], gpu
    cards = by_pci_id(facts, pci_id, subsystem) or by_name(facts, gpu)
    sizes = [size for card in cards for size in card.vram_gb]
    if not sizes or not all(card.vram_gb for card in cards):
        chips = {chip, *(card.chip for card in cards)}
        kin: list[Card] = [card for each in chips for card in by_chip(facts, each)]
        if any(card.segment == "jetson" for card in kin):
            return 0, 0, ""
        sizes = [size for card in kin for size in card.vram_gb]
    if not sizes:
        return 0, 0, ""
    return min(sizes) * ROOM[0], 2 * max(sizes) * ROOM[1], cards[0].name if cards else chip
