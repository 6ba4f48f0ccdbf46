"""Which faults concern a machine: those of programs beside torch, between cards, of a CPU, of a build to be avoided."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from hwcompat import knownfaults, nvml, resolver, system, tables, target
from hwcompat.emitters import ultralytics
from hwcompat.environment import detect
from hwcompat.model import Environment, Gpu, Recommendation

FOLDER = Path(__file__).with_name("machines") / "gtx1660ti-ultralytics-8.2.90__tu116-usable"
VALIDATION, ALWAYS_ON = "ultralytics-fp16-validation", "ultralytics-amp-cannot-be-turned-off"
GTX1660TI = Gpu("NVIDIA GeForce GTX 1660 Ti", pci_id="10de:2182", compute_capability="7.5")
T4 = Gpu("Tesla T4", pci_id="10de:1eb8", compute_capability="7.5")


def machine(gpu: Gpu | None, version: str | None) -> Environment:
    """The recorded machine with this card, and with Ultralytics in this version (None: without it)."""
    told = json.loads((FOLDER / "torch.json").read_text(encoding="utf-8"))
    told["clients"] = {"ultralytics": version} if version else {}
    told["devices"] = [{**told["devices"][0], "name": gpu.name}] if gpu else []
    known = tables.load_tables()
    return detect(
        sys.executable,
        read_nvml=lambda: nvml.Reading(driver="550.54.14", gpus=(gpu,) if gpu else ()),
        read_system=lambda: system.SystemFacts("linux", "x86_64"),
        read_torch=lambda _: told if gpu else {**told, "build": "cpu"},
        chip_of=lambda pci_id, name: tables.chip_of(pci_id, name, known),
        environ={},
    )


def decide(gpu: Gpu | None, version: str | None) -> Recommendation:
    aim = target.of_environment(machine(gpu, version), ())
    known = tables.load_tables()
    return target.decide(aim, (), torch=None, prefer="speed", newest=False, date="2026-11-20", tables=known)


def told_of_ultralytics(rec: Recommendation) -> list[str]:
    return [caution.operation for caution in rec.cautions if "Ultralytics" in caution.operation]


def test_the_recorded_machine_is_warned_and_told_what_to_install() -> None:
    recorded = json.loads((FOLDER / "torch.json").read_text(encoding="utf-8"))["clients"]["ultralytics"]
    rec = decide(GTX1660TI, recorded)
    [caution] = [each for each in rec.cautions if "Ultralytics" in each.operation]
    assert rec.amp is False
    assert "(ultralytics 8.2.90 is installed)" in caution.operation
    assert 'pip install -U "ultralytics>=8.2.96"' in caution.workaround
    assert caution.source == "https://github.com/ultralytics/ultralytics/pull/16306"


@pytest.mark.parametrize(
    ("gpu", "version", "count"),
    [
        (GTX1660TI, "8.2.95", 1),
        (GTX1660TI, "8.2.96", 0),
        (GTX1660TI, "8.4.190", 0),
        (GTX1660TI, "8.0.57", 1),
        (GTX1660TI, "8.0.56", 2),
        (GTX1660TI, "unknown", 0),
        (GTX1660TI, None, 0),
        (T4, "8.0.56", 0),
        (None, "8.0.56", 0),
    ],
)
def test_a_programs_fault_needs_the_version_and_a_card_on_which_it_matters(
    gpu: Gpu | None, version: str | None, count: int
) -> None:
    assert len(told_of_ultralytics(decide(gpu, version))) == count


def test_a_programs_fault_changes_no_setting_and_no_build() -> None:
    old, new = decide(GTX1660TI, "8.0.56"), decide(GTX1660TI, "8.4.190")
    assert old.settings == new.settings
    assert old.pin == new.pin


def test_the_table_and_the_file_that_is_written_name_one_version() -> None:
    ranges = {fault.id: fault.clients["ultralytics"] for fault in tables.load_tables().faults if fault.clients}
    assert ranges[VALIDATION] == "<" + ".".join(map(str, ultralytics.AMP_RULES_VALIDATION_SINCE))


def test_a_machine_without_clients_has_no_fault_of_theirs() -> None:
    known = tables.load_tables()
    without = {fault.id for fault in knownfaults.faults_for(GTX1660TI, tables=known)}
    beside = {fault.id for fault in knownfaults.faults_for(GTX1660TI, clients={"ultralytics": "8.0.1"}, tables=known)}
    assert beside - without == {VALIDATION, ALWAYS_ON}


# --- between cards, on a CPU, builds to be avoided --------------------------------------------------------------------


def ids(gpu: Gpu | None, **facts: Any) -> set[str]:
    return {fault.id for fault in knownfaults.faults_for(gpu, tables=tables.load_tables(), **facts)}


def test_a_fault_between_cards_is_told_where_several_train_together() -> None:
    known = tables.load_tables()
    assert "copies-between-cards-wrong" not in ids(T4)
    assert "copies-between-cards-wrong" in ids(T4, cards=2)
    for cards, told in (["Tesla T4"], 0), (["Tesla T4", "Tesla T4"], 1), (["NVIDIA GeForce GTX 1650"], 0):
        aim = target.of_words(cards, driver="570.86", os="linux", arch="x86_64", python="3.11", wsl=False, tables=known)
        rec = target.decide(aim, (), torch=None, prefer="speed", newest=False, date="2026-11-20", tables=known)
        found = [each for each in rec.cautions if each.operation.startswith("copies from one card")]
        assert len(found) == told, cards


def test_a_fault_of_the_cpu_is_not_told_of_cards_nor_the_other_way_round() -> None:
    name = "cpu-fp16-batchnorm-channels-last"
    assert name in ids(None, torch="2.6.0")
    assert name not in ids(None, torch="2.13.0")
    assert name not in ids(T4, torch="2.6.0")
    assert ids(None, torch="2.6.0", cards=2) == {name}


@pytest.mark.parametrize(
    ("card", "minor", "build", "python", "name"),
    [
        ("NVIDIA GeForce GTX 1080 Ti", "1.8", "1.8.1+cu111", "3.8", "pascal-cuda11-matmul-zeros"),
        ("NVIDIA H20", "2.3", "2.3.1+cu121", "3.11", "h20-cuda121-matmul-dies"),
    ],
)
def test_a_build_to_be_avoided_is_not_chosen_where_the_release_has_another(
    card: str, minor: str, build: str, python: str, name: str
) -> None:
    known = tables.load_tables()
    [gpu] = tables.resolve_gpu(card, known)
    torch, _, tag = build.partition("+")
    assert name in ids(gpu, torch=torch, cuda=tag, effect="avoid")
    machine = {"driver": "999.0", "os": "linux", "arch": "x86_64", "python": python}
    found = resolver.resolve((gpu,), **machine, torch=minor, tables=known)
    assert f"{found.torch}+{found.tag}" != build
    assert name not in ids(gpu, torch=found.torch, cuda=found.tag)
