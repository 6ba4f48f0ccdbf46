"""Judging a fleet: sick cards are named with their reason, healthy ones never, whatever else is in the fleet."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcompat.fleet.card import SPEEDS, Card, Place, Speed, cards_of
from hwcompat.fleet.outliers import ADVICE, judge
from hwcompat.model import Environment, Gpu, Measurement, Report, Row

ROW = Row(gpu="NVIDIA A10", pci_id="10de:2236", torch="2.13.0+cu126", driver="570.1", os="linux", level="standard")
DIGESTS = {"fingerprint/a/float16/v1": "0" * 16, "exact/b/float16/v1": "1" * 16}

USUAL = {"fp32_tflops": 31.0, "copy_gbs": 520.0}


def card(number: int, node: str | None = None, factor: float = 1.0, **changes) -> Card:
    """A card that is healthy but for `changes`; eight a node unless `node` says otherwise."""
    speeds = {
        name: Speed(usual * factor, "x", "", True) for name, usual in (("fp32_tflops", 31.0), ("copy_gbs", 520.0))
    }
    place = Place(f"n{number // 8}" if node is None else node, str(number % 8))
    row = ROW._replace(report_id=f"{number:016x}", **changes.pop("row", {}))
    return Card(row, place, **{"speeds": speeds, "digests": DIGESTS, **changes})


def healthy(count: int, seed: int = 0, first: int = 0) -> list[Card]:
    some = random.Random(seed)
    return [card(first + n, factor=1 + some.uniform(-0.01, 0.01)) for n in range(count)]


def named(cards: Sequence[Card]) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.kind, tuple(each.id for each in one.cards)) for one in judge(cards).outliers]


SICK = {
    "faulty": {"bad": ("conv.forward:float16:fail",), "row": {"fp16": "faulty"}},
    "crash": {"bad": ("matmul.integer:float16:crash",)},
    "hang": {"bad": ("matmul.integer:float16:hang",)},
    "flaky": {"bad": ("matmul.integer:float16:flaky",)},
    "error": {"bad": ("matmul.integer:float16:error",)},
    "memory": {"memory": ("2 uncorrected ECC errors",)},
    "host": {"host_digests": True},
    "fingerprint": {"digests": {**DIGESTS, "fingerprint/a/float16/v1": "f" * 16}},
    "throttled": {"held_back": ("hardware thermal slowdown in 40 %",), "temperature": 93.0},
    "slow": {"factor": 0.5},
    "unmeasured": {"measured": False},
}


@pytest.mark.parametrize("count", [8, 9, 15, 40, 150])
@pytest.mark.parametrize("kind", SICK)
def test_one_sick_card_is_named_from_eight_cards_on(kind: str, count: int) -> None:
    sick = card(3, **SICK[kind])
    cards = [one for one in healthy(count) if one.id != sick.id]
    assert named([*cards, sick]) == [(kind, (sick.id,))]
    (found,) = judge([*cards, sick]).outliers
    assert found.reason
    assert found.advice == ADVICE[kind]
    assert "n0" not in found.reason
    assert "n0" not in str(found.evidence)


def test_a_lone_exact_digest_points_at_the_host() -> None:
    assert named([*healthy(8), card(9, digests={**DIGESTS, "exact/b/float16/v1": "f" * 16})]) == [
        ("host", (f"{9:016x}",))
    ]


def test_what_a_card_says_against_itself_needs_no_others() -> None:
    for kind in ("faulty", "crash", "flaky", "memory", "host", "throttled"):
        assert named([card(1, **SICK[kind])]) == [(kind, (f"{1:016x}",))]


def test_what_is_only_different_needs_others() -> None:
    """Two cards that differ: nobody knows who is right."""
    for kind in ("fingerprint", "slow"):
        assert named([card(0), card(1, **SICK[kind])]) == []
    notes = [note.text for note in judge([card(0), card(1, **SICK["fingerprint"])]).notes]
    assert notes == [
        "fingerprint/a/float16/v1: 2 digests among 2 cards; 3 are needed to say who is wrong",
        "the speeds of 2 cards are not compared: 8 are needed",
    ]


@pytest.mark.parametrize("kind", ["faulty", "throttled", "fingerprint", "slow"])
def test_what_most_cards_of_a_kind_do_is_nobodys_fault(kind: str) -> None:
    sick = [card(n, node=f"n{n}", **SICK[kind]) for n in range(12)]
    found = judge([*sick, *healthy(6, first=100)])
    assert not [one for one in found.outliers if one.kind == kind and set(one.cards) & set(sick)]


def test_a_model_that_fails_as_a_whole_is_noted() -> None:
    found = judge([card(n, **SICK["faulty"]) for n in range(9)])
    assert found.outliers == ()
    assert ["the model or the build" in note.text for note in found.notes] == [True]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7])
def test_two_populations_are_told_and_nobody_is_blamed(share: float) -> None:
    some = random.Random(1)
    cards = [card(n, factor=(0.8 if n % 100 < 100 * share else 1) * some.gauss(1, 0.005)) for n in range(400)]
    cards = [replace(one, place=Place(f"m{n}")) for n, one in enumerate(cards)]
    assert named(cards) == []


def test_a_second_population_is_noted_with_its_size() -> None:
    cards = [replace(one, place=Place(f"m{n}")) for n, one in enumerate(healthy(340))]
    cards += [replace(card(1000 + n, factor=0.8), place=Place(f"s{n}")) for n in range(34)]
    found = judge(cards)
    assert found.outliers == ()
    assert {len(note.cards) for note in found.notes} == {34}


def test_a_slow_node_is_named_once_and_its_cards_are_not() -> None:
    cards = [card(n, factor=0.7 if n // 8 == 2 else 1) for n in range(64)]
    (found,) = judge(cards).outliers
    assert found.whole_node
    assert {one.place.node for one in found.cards} == {"n2"}
    assert len(found.cards) == 8
    assert "node" in found.advice


@pytest.mark.parametrize("nodes", [5, 6, 9, 12, 30])
@pytest.mark.parametrize("seed", range(3))
def test_a_slow_node_is_told_from_five_nodes_on(nodes: int, seed: int) -> None:
    some = random.Random(seed)
    cards = [card(n, factor=(0.6 if n // 8 == 1 else 1) * some.gauss(1, 0.01)) for n in range(8 * nodes)]
    (found,) = judge(cards).outliers
    assert (found.kind, found.whole_node, found.cards[0].place.node) == ("slow", True, "n1")


def test_most_cards_of_a_node_are_still_cards() -> None:
    cards = [card(n, factor=0.7 if 16 <= n < 23 else 1) for n in range(64)]
    found = judge(cards).outliers
    assert [one.whole_node for one in found] == [False] * 7


def test_ecc_errors_of_a_whole_node_stay_with_the_cards() -> None:
    cards = [card(n, **(SICK["memory"] if n < 8 else {})) for n in range(64)]
    assert [one.whole_node for one in judge(cards).outliers] == [False] * 8


def test_a_digest_that_two_nodes_share_is_a_variant() -> None:
    odd = [card(n, node=node, **SICK["fingerprint"]) for n, node in ((100, "x"), (101, "y"))]
    found = judge([*healthy(40), *odd])
    assert found.outliers == ()
    assert [len(note.cards) for note in found.notes] == [2]


def test_a_digest_that_never_repeats_blames_nobody() -> None:
    odd = [card(n, node=f"m{n}", digests={"fingerprint/a/float16/v1": f"{n:016x}"}) for n in range(100, 120)]
    found = judge([*healthy(60), *odd])
    assert found.outliers == ()
    assert ["does not repeat" in note.text for note in found.notes] == [True]


def test_digests_are_compared_on_what_both_have() -> None:
    assert named([*healthy(20), card(30, digests={"exact/b/float16/v1": "1" * 16}), card(31, digests={})]) == []


def test_only_cards_of_one_kind_are_compared() -> None:
    """Each card alone of its kind, all different: nothing can be said."""
    rows = [{"gpu": "other"}, {"torch": "2.11"}, {"driver": "580.1"}, {"level": "quick"}, {"hwcompat": "9"}]
    others = [
        card(50 + n, row=row, factor=0.5, digests={"fingerprint/a/float16/v1": "e" * 16}) for n, row in enumerate(rows)
    ]
    assert named([*healthy(20), *others]) == []


def test_a_minor_driver_version_is_the_same_kind() -> None:
    assert named([*healthy(20), card(30, factor=0.5, row={"driver": "570.99"})]) == [("slow", (f"{30:016x}",))]


def test_disturbed_speeds_accuse_nobody() -> None:
    busy = {name: speed._replace(value=1.0, clean=False) for name, speed in card(0).speeds.items()}
    assert named([*healthy(20), card(30, speeds=busy)]) == []


def test_a_capability_that_one_card_lacks() -> None:
    cards = [card(n, row={"bf16": "ok"}) for n in range(20)]
    assert named([*cards, card(30, row={"bf16": "unsupported"})]) == [("unsupported", (f"{30:016x}",))]


def test_verdicts_that_noise_decides_are_no_finding() -> None:
    words = ["ok", "slow", "unknown", "ok"]
    assert named([card(n, row={"amp_fp16": words[n % 4]}) for n in range(20)]) == []


# --- what must hold for any fleet -------------------------------------------------------------------------------------

_factors = st.lists(st.floats(0.97, 1.03), min_size=8, max_size=60)
_kinds = st.lists(st.sampled_from(sorted(SICK)), max_size=3)


def _fleet(factors: Sequence[float], kinds: Sequence[str]) -> tuple[list[Card], set[str]]:
    """Cards of one kind, one a node, of which the first of three dozen spares are sick."""
    good = [replace(card(n, factor=factor), place=Place(f"m{n}")) for n, factor in enumerate(factors)]
    sick = [card(500 + n, node=f"s{n}", **SICK[kind]) for n, kind in enumerate(kinds)]
    return [*good, *sick], {one.id for one in sick}


def _accused(cards: Sequence[Card]) -> set[str]:
    return {one.id for found in judge(cards).outliers for one in found.cards}


@settings(max_examples=60, deadline=None)
@given(_factors, _kinds, st.randoms(use_true_random=False))
def test_the_order_of_cards_is_irrelevant(factors: list[float], kinds: list[str], some: random.Random) -> None:
    cards, _ = _fleet(factors, kinds)
    shuffled = list(cards)
    some.shuffle(shuffled)
    assert judge(shuffled) == judge(cards)


@settings(max_examples=60, deadline=None)
@given(_factors, _kinds, st.lists(st.floats(0.97, 1.03), max_size=200))
def test_more_healthy_cards_never_accuse_a_healthy_one(
    factors: list[float], kinds: list[str], more: list[float]
) -> None:
    cards, sick = _fleet(factors, kinds)
    added = [replace(card(1000 + n, factor=factor), place=Place(f"a{n}")) for n, factor in enumerate(more)]
    assert _accused(cards) <= sick
    assert _accused([*cards, *added]) <= sick


@settings(max_examples=60, deadline=None)
@given(_factors, st.sampled_from(sorted(SICK)))
def test_a_sick_card_is_found_among_any_healthy_ones(factors: list[float], kind: str) -> None:
    """Three per cent either way are the noise; a slow card is at a fifth, so that eight such cards suffice."""
    cards, _ = _fleet(factors, ())
    sick = card(900, node="s", **(SICK[kind] if kind != "slow" else {"factor": 0.02}))
    assert _accused([*cards, sick]) == {sick.id}


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 80), st.integers(0, 3), st.floats(0.1, 0.85))
def test_equal_speeds_have_no_spread_and_still_a_bound(count: int, slow: int, factor: float) -> None:
    cards = [card(n, node=f"m{n}", factor=factor if n < min(slow, count // 4) else 1.0) for n in range(count)]
    wanted = {one.id for one in cards[: min(slow, count // 4)]}
    assert _accused(cards) in (wanted, set())
    assert _accused(cards) == wanted or len(wanted) > 2


@pytest.mark.parametrize("seed", range(3))
def test_slow_cards_are_found_in_heavy_tails_that_accuse_nobody(seed: int) -> None:
    """Six speeds with independent noise of Student's t: one alone would have to fall by a third to be sure."""
    some = random.Random(seed)

    def speeds(factor: float) -> dict[str, Speed]:
        noise = (1 + 0.008 * some.gauss(0, 1) / (some.gammavariate(2.5, 2) / 5) ** 0.5 for _ in SPEEDS)
        return {name: Speed(100 * factor * one, "x", "", True) for name, one in zip(SPEEDS, noise, strict=True)}

    sick = {f"{n:016x}" for n in some.sample(range(2000), 4)}
    cards = [card(n) for n in range(2000)]
    cards = [replace(one, speeds=speeds(0.75 if one.id in sick else 1)) for one in cards]
    assert _accused(cards) == sick


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_healthy_cards_with_heavy_tails_are_all_left_alone(seed: int) -> None:
    some = random.Random(seed)
    factors = [1 + 0.006 * some.gauss(0, 1) / (some.gammavariate(2, 2) / 4) ** 0.5 for _ in range(3000)]
    assert named([card(n, factor=max(factor, 0.01)) for n, factor in enumerate(factors)]) == []


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"ecc_uncorrected": 2}, ("2 uncorrected ECC errors",)),
        ({"row_remapping": "failed", "remapped_rows": 8}, ("row remapping failed",)),
        ({"row_remapping": "pending"}, ("row remapping pending",)),
        ({"retired_pages": 60}, ("60 retired pages",)),
        ({"retired_pages": 3, "remapped_rows": 2, "row_remapping": "ok", "ecc_uncorrected": 0}, ()),
        ({}, ()),
    ],
)
def test_what_memory_says_of_itself(facts: dict, told: tuple[str, ...]) -> None:
    gpu = Gpu("NVIDIA A10", **facts)
    report = Report("0" * 16, "2026-11-21", "0", "1", "quick", 0, "cuda:0", Environment("linux", "x86_64"), gpu)
    assert [one.memory for one in cards_of(report, Place("n", "0"))] == [told]


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ("hardware thermal slowdown in 40 %", ("hardware thermal slowdown in 40 %",)),
        ("software power cap in 90 %, software thermal slowdown in 7 %", ("software thermal slowdown in 7 %",)),
        ("hardware slowdown in 4 %", ()),
        ("software power cap in 100 %", ()),
        ("", ()),
    ],
)
def test_what_held_a_card_back(note: str, told: tuple[str, ...]) -> None:
    clock = {"sm_clock": Measurement(1500, "MHz", 1200, 1900, 60, note)}
    machine = Environment("linux", "x86_64")
    report = Report("0" * 16, "2026-11-21", "0", "1", "quick", 0, "cuda:0", machine, Gpu("x"), telemetry=clock)
    assert [one.held_back for one in cards_of(report, Place("n", "0"))] == [told]
