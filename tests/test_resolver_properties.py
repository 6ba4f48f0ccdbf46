"""What must hold of every answer of the resolver, whatever is asked and whatever rows the tables get."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hwcompat import resolver, tables
from hwcompat.errors import NoBuildError, UsageError
from hwcompat.model import Build, Gpu, Pin, TorchFacts

MATRIX = Path(__file__).resolve().parents[1] / "matrix"
KNOWN = tables.load_tables(MATRIX)
CAPABILITIES = sorted({card.compute_capability for card in KNOWN.cards})
PLACES = [("linux", "x86_64"), ("linux", "aarch64"), ("windows", "x86_64")]
FLOORS = {"linux": {11: (450, 80, 2), 12: (525, 60, 13)}, "windows": {11: (452, 39), 12: (528, 33)}}  # NVIDIA's
MODULES = ("5.3", "6.2", "7.2", "8.7", "11.0")

cards = st.sampled_from(CAPABILITIES).map(lambda each: Gpu(name=f"card {each}", compute_capability=each))
places = st.sampled_from(PLACES)
pythons = st.integers(6, 16).map(lambda minor: f"3.{minor}")
drivers = st.tuples(st.integers(380, 620), st.integers(0, 200), st.integers(0, 20)).map(
    lambda parts: f"{parts[0]}.{parts[1]:02}.{parts[2]:02}"
)


def ask(gpus: Sequence[Gpu], place: tuple[str, str], known: tables.Tables = KNOWN, **asked: Any) -> Pin | None:
    machine = {"driver": "580.65.06", "python": "3.11", **asked}
    try:
        return resolver.resolve(gpus, os=place[0], arch=place[1], tables=known, **machine)
    except NoBuildError as error:
        if not error.hint:
            raise
        return None


def order(pin: Pin | None) -> tuple[Any, ...]:
    """How good an answer is; none is the worst."""
    if pin is None:
        return ()
    words = ("no", "inferred", "yes")
    return words.index(pin.verified), numbers(pin.torch), numbers(pin.tag.lstrip("curom"))


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def row_of(pin: Pin, place: tuple[str, str], known: tables.Tables = KNOWN) -> Build:
    [row] = [b for b in known.builds if (b.torch, b.tag, b.os, b.arch) == (pin.torch, pin.tag, *place)]
    return row


def with_builds(*added: Build) -> tables.Tables:
    """The tables with more rows; a new object, so that nothing is remembered of the old one."""
    more = tables.Tables(KNOWN.folders)
    more.__dict__["_builds"] = ((*KNOWN.builds, *added), ())
    return more


# --- what changes the answer, and which way ---------------------------------------------------------------------------


@given(cards, places, pythons, drivers, drivers)
def test_a_newer_driver_never_loses_an_answer(
    card: Gpu, place: tuple[str, str], python: str, one: str, other: str
) -> None:
    older, newer = sorted((one, other), key=numbers)
    before = ask([card], place, python=python, driver=older)
    after = ask([card], place, python=python, driver=newer)
    assert order(after)[:2] >= order(before)[:2]


@given(st.lists(cards, min_size=2, max_size=4), places, pythons, drivers, st.randoms())
def test_the_order_of_the_cards_does_not_matter(
    gpus: list[Gpu], place: tuple[str, str], python: str, driver: str, chance: Any
) -> None:
    shuffled = gpus.copy()
    chance.shuffle(shuffled)
    one = ask(gpus, place, python=python, driver=driver)
    other = ask(shuffled, place, python=python, driver=driver)
    assert order(one) == order(other)


@given(cards, places, pythons, drivers)
def test_a_second_card_of_the_same_kind_changes_nothing(
    card: Gpu, place: tuple[str, str], python: str, driver: str
) -> None:
    assert ask([card, card], place, python=python, driver=driver) == ask([card], place, python=python, driver=driver)


builds = st.builds(
    Build,
    torch=st.sampled_from(["1.9.0", "2.6.0", "2.15.1", "2.16.0", "3.0.0"]),
    tag=st.sampled_from(["cpu", "cu92", "cu118", "cu126", "cu133", "cu140", "rocm8.0"]),
    os=st.sampled_from(["linux", "windows", "macos"]),
    arch=st.sampled_from(["x86_64", "aarch64", "arm64"]),
    archs=st.lists(st.sampled_from(["sm_50", "sm_61", "sm_75", "sm_90a", "sm_120", "gfx1100", "native"])).map(tuple),
    ptx=st.lists(st.sampled_from(["sm_75", "sm_90a", "sm_120"]), max_size=1).map(tuple),
    cudnn=st.sampled_from(["", "9.10.2"]),
    python_min=st.just("3.9"),
    python_max=st.sampled_from(["3.12", "3.16"]),
    default_on_pypi=st.booleans(),
    release_date=st.just(""),
    source=st.just("a test"),
    verified=st.sampled_from(["yes", "inferred", "no"]),
)


@settings(max_examples=60)
@given(builds, cards, places, pythons, drivers)
def test_one_more_row_never_makes_an_answer_worse(
    added: Build, card: Gpu, place: tuple[str, str], python: str, driver: str
) -> None:
    before = ask([card], place, python=python, driver=driver)
    after = ask([card], place, with_builds(added), python=python, driver=driver)
    assert order(after) >= order(before)
    if after and (after.torch, after.tag) != (before and (before.torch, before.tag)):
        assert (after.torch, after.tag) == (added.torch, added.tag)


# --- what every answer is ---------------------------------------------------------------------------------------------


def serves(row: Build, capability: str) -> bool:
    """Same major, minor not above; modules and `a` targets exactly, but for two modules from CUDA 13.2 on."""
    major, minor = map(int, capability.split("."))
    exact = capability in MODULES and not (capability in ("7.2", "8.7") and numbers_of_tag(row.tag) >= (13, 2))
    for cubin in row.archs:
        digits = cubin.removeprefix("sm_")
        if digits.rstrip("a") == f"{major}{minor}":
            return True
        if digits.isdigit() and not exact and int(digits[:-1]) == major and int(digits[-1]) < minor:
            return True
    return False


def numbers_of_tag(tag: str) -> tuple[int, int]:
    return int(tag[2:-1]), int(tag[-1])


@given(cards, places, pythons, drivers)
def test_an_answer_passes_every_gate_checked_apart(card: Gpu, place: tuple[str, str], python: str, driver: str) -> None:
    pin = ask([card], place, python=python, driver=driver)
    if pin is None:
        return
    row = row_of(pin, place)
    assert numbers(row.python_min) <= numbers(python) <= numbers(row.python_max)
    major = numbers_of_tag(row.tag)[0]
    if major >= 11:
        assert numbers(driver) >= FLOORS[place[0]].get(major, (580,))
    assert serves(row, card.compute_capability or "") or row.ptx or not row.archs
    assert pin.verified == "yes" or any("not confirmed" in warning or "nobody" in warning for warning in pin.warnings)
    assert pin.index_url.endswith("/" + pin.tag)


@given(cards, places, pythons, drivers)
def test_an_unconfirmed_build_is_never_taken_while_a_confirmed_one_serves(
    card: Gpu, place: tuple[str, str], python: str, driver: str
) -> None:
    pin = ask([card], place, python=python, driver=driver)
    if pin is None or pin.verified == "yes":
        return
    confirmed = {build.torch for build in KNOWN.builds if build.verified == "yes" and build.archs}
    for torch in confirmed:
        try:
            wished = ask([card], place, python=python, driver=driver, torch=torch)
        except UsageError:
            continue
        assert wished is None or wished.verified != "yes"


@given(cards, places, pythons, drivers, st.sampled_from(sorted({build.torch for build in KNOWN.builds})))
def test_a_wish_is_honoured_to_the_letter_or_refused(
    card: Gpu, place: tuple[str, str], python: str, driver: str, torch: str
) -> None:
    free = ask([card], place, python=python, driver=driver)
    wished = ask([card], place, python=python, driver=driver, torch=torch)
    assert wished is None or wished.torch == torch
    assert free is not None or wished is None
    assert order(free) >= order(wished)


@given(cards, places, pythons, drivers)
def test_what_was_answered_is_kept_once_it_is_installed(
    card: Gpu, place: tuple[str, str], python: str, driver: str
) -> None:
    pin = ask([card], place, python=python, driver=driver)
    if pin is None or not row_of(pin, place).archs:
        return
    row = row_of(pin, place)
    lists = row.archs + tuple(each.replace("sm_", "compute_") for each in row.ptx)
    cuda = ".".join(map(str, numbers_of_tag(pin.tag)))
    facts = TorchFacts(version=f"{pin.torch}+{pin.tag}", build="cuda", cuda=cuda, arch_list=lists)
    again = ask([card], place, python=python, driver=driver, installed=facts)
    assert again is not None
    assert (again.torch, again.tag, again.installed) == (pin.torch, pin.tag, True)


# --- words ------------------------------------------------------------------------------------------------------------


@given(st.text(max_size=12), st.sampled_from(["driver", "os", "arch", "python", "torch"]))
def test_any_words_get_an_answer_or_one_of_our_errors(word: str, which: str) -> None:
    machine = {"driver": "580", "os": "linux", "arch": "x86_64", "python": "3.11", which: word}
    try:
        assert resolver.resolve([Gpu(name="card", compute_capability="8.9")], tables=KNOWN, **machine).torch
    except (UsageError, NoBuildError) as error:
        if not error.hint:
            raise
