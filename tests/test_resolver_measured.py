"""What stands in the default wheels of PyPI is what torch_builds.csv says, and what the resolver's reasons rest on."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from hwcompat import resolver, tables
from hwcompat.errors import NoBuildError
from hwcompat.model import Build, Gpu, Pin

HERE = Path(__file__).resolve().parent
MATRIX = HERE.parent / "matrix"
with (HERE / "data" / "torch_wheels_measured.csv").open(encoding="utf-8", newline="") as _handle:
    WHEELS = list(csv.DictReader(_handle))
# The METADATA of 2.5 allows Python 3.8, but its first wheel is cp39.
WITHOUT_FIRST_WHEEL = {"2.5.0": "3.9", "2.5.1": "3.9"}


@pytest.fixture(scope="module")
def known() -> tables.Tables:
    return tables.load_tables(MATRIX)


def name(wheel: dict[str, str]) -> str:
    return f"{wheel['torch']} {wheel['os']} {wheel['arch']}"


def tag_of(wheel: dict[str, str]) -> str:
    return "cu" + wheel["cuda"].replace(".", "") if wheel["cuda"] else "cpu"


def row_of(wheel: dict[str, str], known: tables.Tables) -> Build:
    key = (wheel["torch"], wheel["os"], wheel["arch"], tag_of(wheel))
    [row] = [build for build in known.builds if (build.torch, build.os, build.arch, build.tag) == key]
    return row


@pytest.mark.parametrize("wheel", WHEELS, ids=name)
def test_a_row_says_what_its_wheel_holds(known: tables.Tables, wheel: dict[str, str]) -> None:
    row = row_of(wheel, known)
    assert " ".join(row.archs) == wheel["sm_list"]
    assert row.ptx == ()
    assert row.cudnn == wheel["cudnn"]
    assert (row.default_on_pypi, row.verified) == (True, "yes")
    required = WITHOUT_FIRST_WHEEL.get(wheel["torch"]) or ".".join(wheel["requires_python"].split(".")[:2])
    assert not required or row.python_min == required


@pytest.mark.parametrize("wheel", WHEELS, ids=name)
def test_it_is_the_only_default_of_its_version_there(known: tables.Tables, wheel: dict[str, str]) -> None:
    key = (wheel["torch"], wheel["os"], wheel["arch"])
    defaults = [b.tag for b in known.builds if (b.torch, b.os, b.arch) == key and b.default_on_pypi]
    assert defaults == [tag_of(wheel)]


CAPABILITIES = (
    "3.0",
    "3.5",
    "3.7",
    "5.0",
    "5.2",
    "6.0",
    "6.1",
    "7.0",
    "7.5",
    "8.0",
    "8.6",
    "8.9",
    "9.0",
    "10.0",
    "12.0",
)


@pytest.mark.parametrize("wheel", [wheel for wheel in WHEELS if wheel["cuda"]], ids=name)
def test_a_wheel_is_chosen_for_exactly_the_cards_that_its_kernels_serve(
    known: tables.Tables, wheel: dict[str, str]
) -> None:
    """Same major, minor not above the card's: https://docs.nvidia.com/cuda/blackwell-compatibility-guide/"""
    python = row_of(wheel, known).python_max
    cubins = [(int(cubin[3:-1]), int(cubin[-1])) for cubin in wheel["sm_list"].split()]
    for capability in CAPABILITIES:
        major, minor = map(int, capability.split("."))
        answer = wished(known, wheel, capability, python)
        if any(have == major and least <= minor for have, least in cubins):
            assert isinstance(answer, Pin), capability
            assert (answer.torch, answer.tag, answer.cudnn) == (wheel["torch"], tag_of(wheel), wheel["cudnn"])
            assert answer.verified == "yes"
        else:
            assert isinstance(answer, NoBuildError), capability
            assert f"no kernel for {capability}" in answer.rejected[0]


def wished(known: tables.Tables, wheel: dict[str, str], capability: str, python: str) -> Pin | NoBuildError:
    """The answer for a card whose user wants just this wheel."""
    try:
        return resolver.resolve(
            [Gpu(name=capability, compute_capability=capability)],
            driver="595.71.05",
            os=wheel["os"],
            arch=wheel["arch"],
            python=python,
            torch=f"{wheel['torch']}+{tag_of(wheel)}",
            tables=known,
        )
    except NoBuildError as error:
        return error
