"""Where a build's wheels are looked for, and what uv's complaints mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweeping import candidate

from hwcompat.sweep.planning import Candidate, Python
from hwcompat.sweep.sources import failure, sources, wheel_for

BASE = "https://mirror.example/whl/"
NAMES = [
    "torch-2.7.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl",
    "torch-2.7.0+cu126-cp311-cp311-manylinux_2_28_x86_64.whl",
    "torch-2.7.0+cpu-cp38-cp38-linux_x86_64.whl",
    "torch-2.6.0-cp311-cp311-manylinux1_x86_64.whl",
    "torchvision-0.22.0+cpu-cp311-cp311-linux_x86_64.whl",
    "notes.txt",
]
WHEELS = tuple(Path("wheels") / name for name in NAMES)
P311 = Python("3.11", "3.11")


@pytest.mark.parametrize(
    ("torch", "tag", "python", "plain", "expected"),
    [
        ("2.7.0", "cpu", "3.11", False, NAMES[0]),
        ("2.7.0", "cu126", "3.11", False, NAMES[1]),
        ("2.7.0", "cpu", "3.8", False, NAMES[2]),
        ("2.7.0", "cpu", "3.12", False, None),
        ("2.7.0", "cu118", "3.11", False, None),
        ("2.6.0", "cu124", "3.11", True, NAMES[3]),
        ("2.6.0", "cu118", "3.11", False, None),
    ],
)
def test_a_wheel_is_known_by_version_tag_and_python(
    torch: str, tag: str, python: str, plain: bool, expected: str | None
) -> None:
    asked = Candidate(torch, tag, Python(python, python), on_package_index=plain)
    found = wheel_for(asked, "torch", torch, WHEELS)
    assert (found.name if found else None) == expected


def test_a_folder_comes_before_the_index_of_the_tag_and_that_before_the_package_index() -> None:
    asked = Candidate("2.7.0", "cpu", P311, on_package_index=True)
    folder, index, plain = sources(asked, index_base=BASE, wheels=WHEELS, companions=[("torchvision", "0.22.0")])
    assert folder.arguments[-2:] == (str(WHEELS[0]), str(WHEELS[4]))
    assert index.what == "https://mirror.example/whl/cpu"
    assert index.arguments[:2] == ("--default-index", "https://mirror.example/whl/cpu")
    assert index.arguments[-2:] == ("torch==2.7.0", "torchvision==0.22.0")
    assert index.host == "mirror.example"
    assert "--default-index" not in plain.arguments
    assert all(each.arguments[:1] != ("--offline",) for each in (folder, index, plain))


def test_a_build_that_only_its_index_has_is_not_looked_for_elsewhere() -> None:
    assert [each.what for each in sources(candidate("2.7.0", "cu126"), index_base=BASE)] == [BASE + "cu126"]


DNS = """error: Request failed after 3 retries in 5.1s
  cause: Failed to fetch: https://download.example/whl/cpu/torch/
  cause: error sending request for url (https://download.example/whl/cpu/torch/)
  cause: client error (Connect)
  cause: dns error
  cause: failed to lookup address information: Name or service not known
"""
OLDER_DNS = """error: Failed to fetch: `https://download.example/whl/cpu/torch/`
  Caused by: Request failed after 3 retries
  Caused by: client error (Connect)
  Caused by: dns error: failed to lookup address information: Name or service not known
"""
NO_SUCH = """  × No solution found when resolving dependencies:
  ╰─▶ Because there is no version of torch==9.9.9 and you require torch==9.9.9, we can conclude that your
      requirements are unsatisfiable.
"""
OFFLINE = """  × No solution found when resolving dependencies:
  ╰─▶ Because torch was not found in the cache and you require torch==2.7.0, we can conclude that your
      requirements are unsatisfiable.

      hint: Packages were unavailable because the network was disabled. When the network is disabled, registry
      packages may only be read from the cache.
"""
FULL = "error: Failed to write to the cache\n  cause: No space left on device (os error 28)\n"


@pytest.mark.parametrize("text", [DNS, OLDER_DNS])
def test_a_silent_server_is_named_by_the_address_that_was_asked(text: str) -> None:
    found = failure(text)
    assert found.unreachable
    assert found.text.startswith("https://download.example/whl/cpu/torch/ could not be fetched")
    assert "Name or service not known" in found.text


def test_a_version_that_does_not_exist_is_not_a_matter_of_the_network() -> None:
    found = failure(NO_SUCH)
    assert not found.unreachable
    assert "there is no version of torch==9.9.9" in found.text


def test_offline_is_a_matter_of_the_network() -> None:
    assert failure(OFFLINE).unreachable


def test_a_full_disk_is_said_plainly() -> None:
    assert failure(FULL).text == "the disk is full"


def test_a_python_that_is_not_here_is_told_from_a_build_that_is_not() -> None:
    text = "error: No interpreter found for Python 3.6 in managed installations or search path\n\nhint: uv embeds"
    assert failure(text).text == "uv finds no Python 3.6 here and cannot fetch one: give the path of one with --python"


@pytest.mark.parametrize("text", ["", "\x00\x1b[31m", "error: " + "x" * 100_000, "Because " * 9999])
def test_any_output_becomes_one_short_line(text: str) -> None:
    found = failure(text)
    assert found.text
    assert len(found.text) <= 700
    assert "\n" not in found.text
