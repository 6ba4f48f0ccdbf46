"""Who differs from the others, when the others are the only yardstick: bounds from medians, and how many must agree.

Everything follows from two stated numbers. RATE: how many healthy cards may be accused in a whole fleet, on average.
SICK_RATE: the greatest share of a group that may be sick for a majority still to show what is healthy. docs/fleet.md
derives the formulas in words. Pure; no array package is needed for ten thousand values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

RATE = 0.01
"""Expected number of healthy cards that one judgement of a whole fleet accuses: one in a hundred fleets has one."""
SICK_RATE = 0.05
"""A greater share of a group that differs together is another population (a power limit, a firmware), not sickness."""
FLOOR = 0.10
"""Slower by less is never an accusation: healthy GPUs of one model differ by 8 % on average, from silicon and cooling
(Sinha et al. 2022, "Not All GPUs Are Created Equal", https://arxiv.org/abs/2208.11035)."""
FEWEST = 8
"""Cards from which on speeds are judged: half of them must be healthy and still give a spread."""
MANY = 100
"""Cards from which on the weight of the tails can be read off the group itself."""

_HEAVY = 5  # degrees of freedom that a group too small to show its tails is given
_NORMAL = 100  # from here on Student's t is taken for the normal distribution
_EFFICIENCY = 0.37  # the median absolute deviation of n normal values is as good as a standard deviation of 0.37 n


class Bound(NamedTuple):
    """How far below the median of its group a value must lie before its card is named."""

    median: float
    scale: float  # of the logarithm: 0.01 means that healthy values spread by about 1 %
    factor: float  # scales between the median and the bound
    least: float  # the bound itself, in the unit of the values
    values: int

    @property
    def distance(self) -> float:
        """The bound as a share of the median, 0.1 for 10 % below it."""
        return 1 - self.least / self.median


def bound(values: Sequence[float], chance: float, tails: int | None = None) -> Bound | None:
    """The bound for positive `values`, so that a healthy one lies below with a probability of at most `chance`.

    None for fewer than FEWEST values. Deviations are taken of logarithms. Scale: the larger of what the median and the
    70 % quantile of absolute deviations say, so that up to a quarter of the group may be sick, and a group of which
    most values are equal (a coarse clock) still has a spread where the others have one. Factor: the quantile of
    Student's t, whose degrees of freedom are the fewest of three: what a scale from n values is worth (0.37 (n - 1)),
    5 in a group below MANY, and in larger ones what the tails look like. Never less than FLOOR.

    tails: the `common_tails` of this quantity and others of the same cards; then these values' own tails count only
    where they are heavier beyond doubt.
    """
    if len(values) < FEWEST:
        return None
    middle, logs = _logarithms(values)
    away = sorted(abs(one - middle) for one in logs)
    freedom = min(_worth(len(values)), _own_tails(logs, middle, tails))
    scale = max(quantile(away, q) / student_quantile((1 - q) / 2, freedom) for q in (0.5, 0.7))
    factor = student_quantile(chance, freedom)
    distance = max(-math.log(1 - FLOOR), factor * scale)
    return Bound(math.exp(middle), scale, factor, math.exp(middle - distance), len(values))


def _logarithms(values: Sequence[float]) -> tuple[float, Sequence[float]]:
    """(their median, all of them in order)."""
    logs = sorted(map(math.log, values))
    return quantile(logs, 0.5), logs


def _worth(count: int) -> int:
    worth = max(1, int(_EFFICIENCY * (count - 1)))
    return min(worth, _HEAVY) if count < MANY else worth


def _own_tails(logs: Sequence[float], middle: float, tails: int | None) -> int:
    if len(logs) < MANY:
        return _NORMAL
    own = [one - middle for one in logs]
    return _tails(own, errors=1) if tails is None else min(tails, _tails(own, errors=3))


def common_tails(columns: Iterable[Sequence[float]]) -> int:
    """The degrees of freedom of the noise in several quantities of one group, each in units of its own spread: the
    tails of a few hundred values are too few to be told by themselves."""
    every: list[float] = []
    for values in columns:
        if len(values) >= MANY:
            middle, logs = _logarithms(values)
            spread = quantile(sorted(abs(one - middle) for one in logs), 0.5)
            every += [(one - middle) / spread for one in logs] if spread > 0 else []
    return _tails(every, errors=1) if every else _NORMAL


def _tails(deviations: Sequence[float], errors: float) -> int:
    above = sorted(one for one in deviations if one > 0)
    below = sorted(-one for one in deviations if one < 0)
    # Farther out on the fast side: no sickness makes a card fast, but of the slow side a tenth may be sick.
    return min(_tail(above, 0.95, errors), _tail(below, 0.80, errors))


_SHAPES = (100, 50, 30, 20, 15, 10, 7, 5, 4, 3, 2, 1)


def _tail(away: Sequence[float], far: float, errors: float) -> int:
    """The degrees of freedom of the lightest t distribution whose tail is as heavy as that of these deviations, less
    so many standard errors: the quotient of two quantiles of m normal deviations has one of at most 1.32 / sqrt(m)."""
    near = quantile(away, 0.5) if away else 0.0
    if near <= 0:
        return _NORMAL
    ratio = quantile(away, far) / near * (1 - errors * 1.32 / math.sqrt(max(len(away), 16)))
    return next((one for one in _SHAPES if _spread(one, far) >= ratio), 1)


@lru_cache(maxsize=64)
def _spread(freedom: int, far: float) -> float:
    return student_quantile((1 - far) / 2, freedom) / student_quantile(0.25, freedom)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile of sorted values, between the two nearest in proportion."""
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


# --- Student's t ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def student_quantile(chance: float, freedom: int) -> float:
    """The value that Student's t with `freedom` degrees exceeds with probability `chance` (0 to 0.5)."""
    if freedom >= _NORMAL:
        return NormalDist().inv_cdf(1 - chance) if chance > 1e-15 else 8.0
    low, high = 0.0, 1.0
    while student_tail(high, freedom) > chance and high < 1e12:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if student_tail(middle, freedom) > chance else (low, middle)
    return high


def student_tail(value: float, freedom: int) -> float:
    """The probability that Student's t with a whole number of degrees of freedom exceeds `value` (at least 0).

    The finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4, https://personal.math.ubc.ca/~cbm/aands/page_948.htm
    """
    angle = math.atan2(math.sqrt(freedom), value)  # the complement of their angle: exact where the tail is small
    sine, cosine = math.cos(angle), math.sin(angle)
    if freedom % 2:
        term = total = cosine if freedom > 1 else 0.0
        for k in range(3, freedom - 1, 2):
            term *= cosine * cosine * (k - 1) / k
            total += term
        return max(0.0, (2 * angle / math.pi - 2 / math.pi * sine * total) / 2)
    term = total = 1.0
    for k in range(2, freedom - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    return max(0.0, (1 - sine * total) / 2)


# --- how many ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def voters(chance: float) -> int:
    """How many cards must be compared before one that differs is blamed.

    A healthy card is blamed only where sick ones have the majority and agree. If each is sick with probability
    SICK_RATE, and all sick ones agreed, that has a probability of P(Binomial(n, SICK_RATE) >= n / 2): the least odd n
    for which it is at most `chance`.
    """
    count = 3
    while _binomial_tail(count, (count + 1) // 2) > chance:
        count += 2
    return count


@lru_cache(maxsize=4096)
def most_sick(count: int, chance: float) -> int:
    """So many of `count` cards may differ by sickness alone: more have a probability of at most `chance`."""
    found = 0
    while found < count and _binomial_tail(count, found + 1) > chance:
        found += 1
    return found


def _binomial_tail(count: int, least: int) -> float:
    """P(Binomial(count, SICK_RATE) >= least)."""
    fixed = math.lgamma(count + 1)
    odds, base = math.log(SICK_RATE / (1 - SICK_RATE)), count * math.log(1 - SICK_RATE)
    total = 0.0
    for k in range(least, count + 1):
        term = math.exp(fixed - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * odds + base)
        total += term
        if term < total * 1e-12 and k > count * SICK_RATE:
            break
    return total
