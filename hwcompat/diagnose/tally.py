"""Faults and figures of many files, added up in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .faults import Fault

MOST_PLACES = 1000
MOST_CLASSES = 10_000


@dataclass
class Tally:
    """Every fault is counted; of each rule the first MOST_PLACES keep their place."""

    counts: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[Fault]] = field(default_factory=dict)
    classes: Counter[str] = field(default_factory=Counter)
    sizes: Counter[int] = field(default_factory=Counter)
    images: int = 0
    labels: int = 0  # label files, or images with annotations
    boxes: int = 0
    empty: int = 0  # label files that are there and hold nothing: background, which is legal
    unlabelled: int = 0  # images without a label file: background too
    unlabelled_places: list[str] = field(default_factory=list)
    unchecked: Counter[str] = field(default_factory=Counter)

    def add(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.counts[fault.rule] += 1
            kept = self.places.setdefault(fault.rule, [])
            if len(kept) < MOST_PLACES:
                kept.append(fault)

    def box(self, name: str, size: int) -> None:
        """A usable box of that class and size class."""
        self.boxes += 1
        self.sizes[size] += 1
        if name in self.classes or len(self.classes) < MOST_CLASSES:
            self.classes[name] += 1

    def merge(self, other: Tally) -> None:
        for rule, faults in other.places.items():
            kept = self.places.setdefault(rule, [])
            kept += faults[: MOST_PLACES - len(kept)]
        self.counts += other.counts
        self.classes += other.classes
        self.sizes += other.sizes
        self.unchecked += other.unchecked
        self.unlabelled_places += other.unlabelled_places[: 20 - len(self.unlabelled_places)]
        for name in ("images", "labels", "boxes", "empty", "unlabelled"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
