"""The card under test is sampled through the real nvidia-ml-py, and nothing goes wrong where nobody answers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import fake_nvml
import pytest

from hwcompat import telemetry
from hwcompat.model import Gpu

needs_library = pytest.mark.skipif(bool(fake_nvml.why_not()), reason=fake_nvml.why_not())

SCRIPT = """
import json, sys, time
from hwcompat import telemetry
from hwcompat.model import Gpu
with telemetry.watching(Gpu("card", pci_bus_id=sys.argv[1]), pause=0.01) as samples:
    while samples.count < 3:
        time.sleep(0.01)
print(json.dumps({name: [m.value, m.unit, m.low, m.high, m.note] for name, m in samples.measured().items()}))
print(json.dumps(samples.slowed))
"""


def sampled(tmp_path: Path, *lines: str, bus: str = "0000:41:00.0") -> tuple[dict[str, list[object]], bool]:
    recording = tmp_path / "nvml.txt"
    recording.write_text("\n".join(("count=2", "device.0.pci=00000000:01:00.0 0x1 0x2", *lines)), encoding="utf-8")
    environment = fake_nvml.variables(fake_nvml.build(tmp_path), recording)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, bus], env=environment, capture_output=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == 0, done.stderr
    measured, slowed = map(json.loads, done.stdout.splitlines())
    return measured, slowed


SECOND = "device.1.pci=00000000:41:00.0 0x20B010DE 0x2"


@needs_library
def test_the_card_is_found_by_its_bus_and_every_quantity_is_kept(tmp_path: Path) -> None:
    facts = ("temperature=71", "sm_clock=1410", "power=249500", "throttle_reasons=0x4")
    measured, slowed = sampled(tmp_path, SECOND, *(f"device.1.{fact}" for fact in facts))
    assert measured["temperature"] == [71, "C", 71, 71, ""]
    assert measured["sm_clock"] == [1410, "MHz", 1410, 1410, "software power cap in 100 %"]
    assert measured["power"][:2] == [249.5, "W"]
    assert not slowed, "a power cap under full load is how fast the card is"


@needs_library
def test_heat_that_holds_the_card_back_is_noticed(tmp_path: Path) -> None:
    assert sampled(tmp_path, SECOND, "device.1.throttle_reasons=0x40")[1]


@needs_library
def test_what_a_card_does_not_answer_is_left_out(tmp_path: Path) -> None:
    assert sampled(tmp_path, SECOND, "device.1.temperature=50", "device.1.power=!NOT_SUPPORTED")[0].keys() == {
        "temperature"
    }


class Broken:
    """A library whose every call fails."""

    def __getattr__(self, name: str) -> object:
        raise OSError(name)


@pytest.mark.parametrize("gpu", [None, Gpu("card"), Gpu("card", pci_bus_id="0000:01:00.0")])
def test_without_an_answer_there_is_no_telemetry_and_no_error(gpu: Gpu | None) -> None:
    with telemetry.watching(gpu, library=Broken()) as samples:
        time.sleep(0.01)
    assert (samples.measured(), samples.slowed, samples.count) == ({}, False, 0)


def test_least_largest_and_median_are_kept() -> None:
    samples = telemetry.Samples()
    for degrees in (40.0, 80.0, 60.0, 70.0):
        reasons = ("hardware thermal slowdown",) if degrees == 80 else ()
        samples.add({"temperature": degrees, "sm_clock": 1000.0, "power": None}, reasons)
    found = samples.measured()
    assert (found["temperature"].low, found["temperature"].value, found["temperature"].high) == (40, 65, 80)
    assert found["sm_clock"].note == "hardware thermal slowdown in 25 %"
    assert "power" not in found
    assert samples.slowed
