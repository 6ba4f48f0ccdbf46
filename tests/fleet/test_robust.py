"""The numbers that a fleet is judged by: quantiles, how many must agree, and bounds that no healthy value crosses."""

from __future__ import annotations

import math
import random

import pytest

from hwcompat.fleet import robust


@pytest.mark.parametrize(
    ("chance", "freedom", "expected"),
    [  # printed tables of Student's t
        (0.025, 1, 12.706),
        (0.025, 2, 4.303),
        (0.025, 3, 3.182),
        (0.025, 5, 2.571),
        (0.025, 10, 2.228),
        (0.0005, 4, 8.610),
        (0.0005, 7, 5.408),
        (0.0005, 30, 3.646),
        (0.025, 100, 1.960),  # taken for normal
    ],
)
def test_quantiles_are_those_of_the_tables(chance: float, freedom: int, expected: float) -> None:
    assert robust.student_quantile(chance, freedom) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize(("freedom", "leading"), [(1, 1 / math.pi), (2, 0.5), (3, 2 * math.sqrt(3) / math.pi)])
def test_far_tails_are_not_lost_to_rounding(freedom: int, leading: float) -> None:
    """P(T > t) goes to leading / t ** freedom: 1/(pi t), 1/(2 t^2), 2 sqrt(3)/(pi t^3)."""
    assert robust.student_tail(1e4, freedom) == pytest.approx(leading / 1e4**freedom, rel=2e-3)


def test_quantiles_grow_as_the_chance_shrinks() -> None:
    for freedom in (1, 2, 5, 10, 50, 100):
        found = [robust.student_quantile(10.0**-n, freedom) for n in range(1, 10)]
        assert found == sorted(found)


def test_how_many_must_agree_follows_from_the_share_that_may_be_sick() -> None:
    # P(Bin(3, .05) >= 2) = 3 * .05^2 * .95 + .05^3 = .00725; P(Bin(5, .05) >= 3) = .00116
    assert robust.voters(0.0073) == 3
    assert robust.voters(0.0072) == 5
    assert robust.voters(0.0011) == 7
    assert [robust.voters(0.01 / groups) for groups in (1, 5, 20, 100)] == [3, 5, 7, 9]


def test_how_many_may_be_sick_by_chance() -> None:
    # P(Bin(8, .05) > 2) = .0058, P(Bin(8, .05) > 1) = .057
    assert robust.most_sick(8, 0.01) == 2
    assert 500 < robust.most_sick(10_000, 0.001) < 600
    assert robust.most_sick(3, 1e-9) == 3


def _noise(kind: str, some: random.Random) -> float:
    if kind == "normal":
        return some.gauss(0, 1)
    if kind == "t5":
        return some.gauss(0, 1) / math.sqrt(some.gammavariate(2.5, 2) / 5)
    if kind == "laplace":
        return some.choice((-1, 1)) * some.expovariate(1)
    if kind == "slow side":
        return -some.expovariate(1)
    return round(some.gauss(0, 1))  # a coarse clock


@pytest.mark.parametrize("kind", ["normal", "t5", "laplace", "slow side", "coarse"])
@pytest.mark.parametrize(("count", "fleets"), [(8, 60), (20, 40), (60, 20), (120, 15), (300, 10), (3000, 2)])
def test_healthy_values_are_hardly_ever_below_their_bound(kind: str, count: int, fleets: int) -> None:
    """The promise is RATE values a fleet; that a rule that keeps it accuses two in so few fleets is a rare accident."""
    accused = 0
    for seed in range(fleets):
        some = random.Random(seed)
        values = [100 * math.exp(0.01 * _noise(kind, some)) for _ in range(count)]
        bound = robust.bound(values, robust.RATE / count)
        assert bound is not None
        accused += sum(value < bound.least for value in values)
    assert accused <= 1


@pytest.mark.parametrize("count", [8, 9, 12, 16, 40, 99, 100, 300, 5000])
def test_a_value_of_half_the_speed_is_below_the_bound(count: int) -> None:
    """Also while the group has six speeds to be judged by."""
    for seed in range(5):
        some = random.Random(seed)
        values = [100 * (1 + some.uniform(-0.01, 0.01)) for _ in range(count - 1)]
        bound = robust.bound([*values, 50.0], robust.RATE / (6 * count))
        assert bound is not None
        assert 50 < bound.least < min(values)


@pytest.mark.parametrize("count", [8, 30, 400])
def test_equal_values_have_the_floor_as_bound(count: int) -> None:
    found = robust.bound([50.0] + [100.0] * (count - 1), 1e-6)
    assert found is not None
    assert found.distance == pytest.approx(robust.FLOOR)


def test_a_quarter_of_slow_values_does_not_hide_itself() -> None:
    some = random.Random(0)
    values = [100 * (1 + some.gauss(0, 0.01)) for _ in range(30)] + [60.0] * 10
    found = robust.bound(values, 1e-5)
    assert found is not None
    assert found.least > 60


def test_few_values_have_no_bound() -> None:
    assert robust.bound([1.0] * (robust.FEWEST - 1), 0.01) is None
