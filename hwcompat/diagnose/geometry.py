"""Boxes against the image they lie in. Pure; corners and sizes in one unit, pixels or shares of the image."""

from __future__ import annotations

import math
from collections.abc import Iterator

Box = tuple[float, float, float, float]
"""x, y of the upper left corner, width, height."""


def faults_of(box: Box, width: float, height: float, slack: float) -> Iterator[str]:
    """The rules that a box in an image of that size breaks; `slack` how far it may stick out. Non-finite: only that."""
    if not all(map(math.isfinite, box)):
        yield "label.nonfinite"
        return
    x, y, w, h = box
    if w <= 0 or h <= 0:
        yield "label.zero-area"
    if x < -slack or y < -slack or x + w > width + slack or y + h > height + slack:
        yield "label.outside"


SIZES = (0.01, 0.03, 0.1, 0.3)
"""Bounds of the square root of a box's share of the image: below 1 %, 3 %, ..."""
SIZE_WORDS = ("below 1 %", "1 to 3 %", "3 to 10 %", "10 to 30 %", "over 30 %")


def size_class(share: float) -> int:
    """Which of SIZE_WORDS a box with that share of the image's area belongs to."""
    side = math.sqrt(share) if share > 0 else 0.0
    return sum(side >= bound for bound in SIZES)
