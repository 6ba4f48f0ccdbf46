"""Every card of gpus.csv on every driver branch, system and Python: the resolver against a brute force written apart.

The brute force reads the CSV text itself and follows the rules as NVIDIA and PyTorch state them, one row at a time. It
shares no code with the package. Driver floors are NVIDIA's published ones, not the tables':
https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hwcompat import resolver, tables
from hwcompat.errors import NoBuildError
from hwcompat.model import Gpu, Pin

MATRIX = Path(__file__).resolve().parents[1] / "matrix"
BRANCHES = ("450", "470", "525", "535", "550", "560", "570", "580", "595")
# Real drivers: the last one below and the first one at each floor, and ordinary ones in between.
LINUX_DRIVERS = (
    *("390.157", "396.26", "396.37", "410.48", "418.39", "418.40", "440.32", "440.33", "450.36.06", "450.80.01"),
    *("450.80.02", "450.248.02", "470.42.01", "470.256.02", "515.105.01", "525.60.11", "525.60.12", "525.60.13"),
    *("525.147.05", "535.54.03", "545.23.08", "550.54.15", "555.42.06", "560.35.05", "565.57.01", "570.26"),
    *("570.124.05", "570.124.06", "575.57.08", "579.99", "580.65.06", "580.126.09", "590.48.01", "595.71.05"),
)
WINDOWS_DRIVERS = (
    *("391.35", "398.26", "411.31", "418.96", "419.67", "441.21", "441.22", "452.38", "452.39", "461.33", "474.30"),
    *("512.78", "522.06", "527.41", "528.32", "528.33", "537.13", "546.12", "552.22", "560.94", "566.36", "572.61"),
    *("576.88", "579.99", "580.88", "591.44", "595.71", "616.92"),
)
ANY = "580.65.06"  # for what needs no CUDA driver
PYTHONS = tuple(f"3.{minor}" for minor in range(8, 16))
PLACES = {  # os, arch, whose drivers, under WSL
    "linux x86_64": ("linux", "x86_64", "linux", False),
    "linux aarch64": ("linux", "aarch64", "linux", False),
    "windows": ("windows", "x86_64", "windows", False),
    "wsl": ("linux", "x86_64", "windows", True),
    "mac arm64": ("macos", "arm64", "", False),
    "mac x86_64": ("macos", "x86_64", "", False),
}
# NVIDIA: a runtime of CUDA 11, 12 or 13 loads from one driver on, whatever its minor version.
MAJOR_FLOORS = {
    "linux": {11: "450.80.02", 12: "525.60.13", 13: "580"},
    "windows": {11: "452.39", 12: "528.33", 13: "580"},
}
# torch/cuda/__init__.py of 2.15.0: modules that server kernels are not for, and those of CUDA 13.2 that they are for.
MODULES = {"5.3", "6.2", "7.2", "8.7", "11.0"}
MODULES_OF_SERVERS_SINCE_13_2 = {"7.2", "8.7"}
TRUST = {"yes": 2, "inferred": 1, "no": 0}


def rows_of(name: str) -> list[dict[str, str]]:
    with (MATRIX / name).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


CARDS = rows_of("gpus.csv")
BUILDS = rows_of("torch_builds.csv")
TOOLKITS = rows_of("cuda_drivers.csv")
CAPABILITIES = sorted({row["compute_capability"] for row in CARDS})


# --- the brute force --------------------------------------------------------------------------------------------------


@cache
def numbers(version: str) -> tuple[int, ...]:
    parts = [int(part) for part in version.split(".")]
    return tuple(parts + [0] * (4 - len(parts)))


@cache
def cuda_of(tag: str) -> tuple[int, int]:
    return int(tag[2:-1]), int(tag[-1])


def toolkit_driver(tag: str, system: str) -> str:
    """The driver that came with the newest patch of a tag's toolkit."""
    wanted = ".".join(map(str, cuda_of(tag)))
    same = [row for row in TOOLKITS if row["cuda"] == wanted or row["cuda"].startswith(wanted + ".")]
    return max(same, key=lambda row: numbers(row["cuda"]))[f"min_driver_{system}"]


@cache
def driver_loads(tag: str, driver: str, system: str) -> bool:
    major = cuda_of(tag)[0]
    floor = MAJOR_FLOORS[system][major] if major >= 11 else toolkit_driver(tag, system)
    return numbers(driver) >= numbers(floor)


@cache
def cubin_runs(cubin: str, capability: str, tag: str) -> bool:
    """Same major, minor not above the card's; an exact match for modules and for targets that end in a letter."""
    digits = cubin.removeprefix("sm_").rstrip("abcdefghijklmnopqrstuvwxyz")
    major, minor = int(digits[:-1]), int(digits[-1])
    card_major, card_minor = map(int, capability.split("."))
    if (major, minor) == (card_major, card_minor):
        return True
    if cubin[-1].isalpha():
        return False
    if capability in MODULES and not (capability in MODULES_OF_SERVERS_SINCE_13_2 and cuda_of(tag) >= (13, 2)):
        return False
    return major == card_major and minor <= card_minor


@cache
def ptx_runs(ptx: str, capability: str, tag: str, driver: str, system: str) -> bool:
    """PTX runs on every newer card, but needs the driver of the toolkit that made it."""
    digits = ptx.removeprefix("sm_")
    needed = toolkit_driver(tag, system)
    newer_card = numbers(f"{digits[:-1]}.{digits[-1]}") <= numbers(capability)
    return newer_card and bool(needed) and numbers(driver) >= numbers(needed)


def kernel_runs(row: dict[str, str], capability: str, driver: str, system: str) -> bool | None:
    """None: nobody read what is in the wheel, but wheels of that CUDA major for that system do run there."""
    tag = row["build_tag"]
    if not row["sm_list"]:
        return None if family_runs(row["os"], row["arch"], tag, capability) else False
    if capability.startswith("gfx"):
        return capability in row["sm_list"].split()
    if any(cubin_runs(cubin, capability, tag) for cubin in row["sm_list"].split()):
        return True
    return any(ptx_runs(ptx, capability, tag, driver, system) for ptx in row["ptx_list"].split())


@cache
def family_runs(system: str, arch: str, tag: str, capability: str) -> bool:
    for row in BUILDS:
        if (row["os"], row["arch"]) != (system, arch) or row["build_tag"][:2] != tag[:2]:
            continue
        if capability.startswith("gfx"):
            runs = capability in row["sm_list"].split()
        else:
            same_major = cuda_of(row["build_tag"])[0] == cuda_of(tag)[0]
            runs = same_major and any(cubin_runs(c, capability, row["build_tag"]) for c in row["sm_list"].split())
        if runs:
            return True
    return False


@cache
def rows_for(place: str, python: str, maker: str) -> tuple[int, ...]:
    """Numbers of the rows for that system and Python."""
    system, arch, _, _ = PLACES[place]
    return tuple(
        number
        for number, row in enumerate(BUILDS)
        if (row["os"], row["arch"]) == (system, arch)
        and row["build_tag"].startswith(maker)
        and numbers(row["python_min"]) <= numbers(python) <= numbers(row["python_max"])
    )


@cache
def trust(number: int, place: str, capability: str, driver: str) -> int | None:
    """How sure it is that a row serves a card (2: certain); None if it does not serve it."""
    row, system = BUILDS[number], PLACES[place][2]
    if capability == "":
        return TRUST[row["verified"]]
    if capability == "mps":
        served = place.startswith("mac") and numbers(row["torch"]) >= numbers("1.12")
        return TRUST[row["verified"]] if served else None
    if row["build_tag"].startswith("cu") and not driver_loads(row["build_tag"], driver, system):
        return None
    runs = kernel_runs(row, capability, driver, system)
    return 0 if runs is None else TRUST[row["verified"]] if runs else None


def brute_force(place: str, python: str, cards: tuple[str, ...], driver: str) -> tuple[str, str, bool] | None:
    """(torch, tag, whether it is certain) of the best row, or None; no cards are the CPU, "mps" is Apple's GPU.

    The best row serves most cards; then it is confirmed, is not torch 2.5.0 on Hopper, has the newest torch and tag.
    """
    maker = "rocm" if cards and cards[0].startswith("gfx") else "cu" if cards and cards[0] != "mps" else "cpu"
    best: tuple[Any, ...] | None = None
    for number in rows_for(place, python, maker):
        found = {card: trust(number, place, card, driver) for card in cards or ("",)}
        served = {card: each for card, each in found.items() if each is not None}
        if served:
            torch, tag = BUILDS[number]["torch"], BUILDS[number]["build_tag"]
            harmless = not (torch == "2.5.0" and "9.0" in served)
            newest = cuda_of(tag) if maker == "cu" else numbers(tag[4:]) if maker == "rocm" else ()
            rank = (len(served), min(served.values()), harmless, numbers(torch), newest, torch, tag)
            best = rank if best is None else max(best, rank)
    return (best[-2], best[-1], best[1] == 2) if best else None


# --- the resolver -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known() -> tables.Tables:
    return tables.load_tables(MATRIX)


def resolved(
    known: tables.Tables, gpus: Sequence[Gpu], place: str, python: str, driver: str | None
) -> Pin | NoBuildError:
    system, arch, _, wsl = PLACES[place]
    asked = {"driver": driver, "os": system, "arch": arch, "python": python, "wsl": wsl, "tables": known}
    try:
        return resolver.resolve(gpus, **asked)
    except NoBuildError as error:
        return error


def differences(
    known: tables.Tables, hosts: Sequence[Sequence[Gpu]], machines: Sequence[tuple[str, str, str]]
) -> list[str]:
    """Machines on which the resolver says otherwise than the brute force."""
    wrong = []
    for cards, (place, python, driver) in itertools.product(hosts, machines):
        capabilities = tuple("mps" if gpu.vendor == "apple" else gpu.compute_capability or "" for gpu in cards)
        expected = brute_force(place, python, capabilities, driver)
        answer = resolved(known, cards, place, python, driver)
        if isinstance(answer, NoBuildError):
            got = None
            assert answer.hint, (cards, place, python, driver)
        else:
            got = (answer.torch, answer.tag, answer.verified == "yes")
            assert got[2] or answer.warnings, (cards, place, python, driver)
        if got != expected:
            wrong.append(f"{capabilities} {place} {python} {driver}: {got} is not {expected}")
    return wrong[:10]


def card(row: dict[str, str]) -> Gpu:
    first = row["pci_ids"].split()[:1]
    return Gpu(
        name=row["name"],
        chip=row["chip"],
        compute_capability=row["compute_capability"],
        pci_id=first[0][:9] if first else None,
    )


@pytest.mark.parametrize("place", ["linux x86_64", "linux aarch64", "windows"])
def test_every_name_gets_what_a_brute_force_finds(known: tables.Tables, place: str) -> None:
    machines = [(place, "3.12", driver) for driver in BRANCHES]
    assert differences(known, [[card(row)] for row in CARDS], machines) == []


@pytest.mark.parametrize("place", PLACES)
def test_every_chip_gets_it_on_every_python_and_driver(known: tables.Tables, place: str) -> None:
    chips = {row["chip"]: card(row) for row in CARDS}
    branches = BRANCHES if PLACES[place][2] else BRANCHES[-1:]
    machines = [(place, python, driver) for python in PYTHONS for driver in branches]
    assert differences(known, [[each] for each in chips.values()], machines) == []


@pytest.mark.parametrize("place", [place for place in PLACES if PLACES[place][2]])
def test_every_capability_gets_it_at_every_driver_floor(known: tables.Tables, place: str) -> None:
    cards = [[Gpu(name=each, compute_capability=each)] for each in CAPABILITIES]
    pythons = PYTHONS if place in ("linux x86_64", "windows") else ("3.9", "3.13")
    drivers = LINUX_DRIVERS if PLACES[place][2] == "linux" else WINDOWS_DRIVERS
    machines = [(place, python, driver) for python in pythons for driver in drivers]
    assert differences(known, cards, machines) == []


@pytest.mark.parametrize("place", [place for place in PLACES if PLACES[place][2]])
def test_two_cards_get_one_build_or_the_one_that_serves_more(known: tables.Tables, place: str) -> None:
    cards = [Gpu(name=each, compute_capability=each) for each in CAPABILITIES]
    machines = [(place, "3.12", driver) for driver in ("470.82.01", "552.22", "595.71.05")]
    assert differences(known, list(itertools.combinations(cards, 2)), machines) == []


def test_three_cards_get_the_build_that_serves_most(known: tables.Tables) -> None:
    cards = [Gpu(name=each, compute_capability=each) for each in CAPABILITIES]
    hosts = list(itertools.combinations(cards, 3))
    assert differences(known, hosts, [("linux x86_64", "3.12", "595.71.05")]) == []


def test_a_name_changes_nothing_but_words(known: tables.Tables) -> None:
    """Cards of one chip get the same build for the same reasons, so one card a chip stands for all of them."""
    first: dict[str, Any] = {}
    for row in CARDS:
        for place in ("linux x86_64", "windows"):
            answer = resolved(known, [card(row)], place, "3.10", "550.54.15")
            same = answer if isinstance(answer, Pin) else (answer.rejected, answer.hint)
            assert first.setdefault(f"{row['chip']} {place}", same) == same, row["name"]


def test_amd_cards_get_it_on_linux_and_a_refusal_elsewhere(known: tables.Tables) -> None:
    listed = {word for row in BUILDS for word in row["sm_list"].split() if word.startswith("gfx")}
    assert len(listed) > 10
    names = sorted(listed | {"gfx1010", "gfx803"})
    cards = [[Gpu(name=each, vendor="amd", compute_capability=each)] for each in names]
    assert differences(known, cards, [(place, python, ANY) for place in PLACES for python in PYTHONS]) == []


@pytest.mark.parametrize("place", PLACES)
def test_processors_and_apple_cards_get_it(known: tables.Tables, place: str) -> None:
    apple = Gpu(name="Apple GPU", vendor="apple")
    assert differences(known, [[apple]], [(place, python, ANY) for python in PYTHONS]) == []
    for python in ("3.6", "3.7", *PYTHONS, "3.16"):
        answer = resolved(known, [], place, python, None)
        got = (answer.torch, answer.tag, answer.verified == "yes") if isinstance(answer, Pin) else None
        assert got == brute_force(place, python, (), ANY), (place, python)


def test_the_sweep_has_answers_and_refusals(known: tables.Tables) -> None:
    """A brute force that refuses everything would agree with a resolver that does."""
    answers = [
        brute_force(place, python, (capability,), driver)
        for place in PLACES
        for python in PYTHONS
        for capability in CAPABILITIES
        for driver in BRANCHES
        if PLACES[place][2]
    ]
    served = [answer for answer in answers if answer]
    assert 0.3 < len(served) / len(answers) < 0.9
    assert len({answer[:2] for answer in served}) > 12
    assert any(not certain for _, _, certain in served)
