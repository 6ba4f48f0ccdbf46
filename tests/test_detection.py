"""Every documented fault is caught, and the programs that say so count right."""

from __future__ import annotations

import contextlib
import csv
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hwcompat.probes import catalogue, simulate

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "scripts"))

import detection_baselines as baselines  # noqa: E402
import detection_faults as faults_of  # noqa: E402
import detection_report as report  # noqa: E402
import detection_run as running  # noqa: E402
import island_code  # noqa: E402

with (ROOT / "tests" / "faults" / "listed.csv").open(encoding="utf-8", newline="") as handle:
    WITNESSES = {row["fault"]: (row["probe"], row["dtype"]) for row in csv.DictReader(handle)}
LISTED = {fault.name: fault for fault in faults_of.listed()}
MISSED = {"rounding.subnormal_operands", "rounding.subnormal_results"}
"""What a documented generation of cards does: noted as a feature, never a failure, see the next test."""


# --- the listed faults ------------------------------------------------------------------------------------------------


def test_every_fault_has_a_witness_or_is_known_to_be_missed() -> None:
    apart = {name for name, fault in LISTED.items() if fault.is_environment}
    assert set(WITNESSES) | MISSED == set(LISTED) - apart
    assert not set(WITNESSES) & MISSED


@pytest.mark.parametrize("name", sorted(WITNESSES))
def test_a_probe_catches_the_fault(name: str) -> None:
    """The probe was chosen as the cheapest that does; without the fault it is silent, which its own tests say."""
    probe, dtype = WITNESSES[name]
    mode = simulate.make(torch, name)
    found = running.run_task(torch, catalogue.find(probe), dtype, mode, "standard")
    assert found.caught, found
    assert found.hits is None or found.hits > 0 or found.status in ("crash", "oom")


@pytest.mark.parametrize("name", sorted(MISSED))
def test_subnormal_numbers_taken_as_zero_are_a_feature(name: str) -> None:
    mode = simulate.make(torch, name)
    found = running.run_task(torch, catalogue.find("matmul.subnormal"), "float16", mode, "standard")
    assert found.status == "feature"
    assert found.hits


@pytest.mark.parametrize("name", ["environment.hang", "environment.crash", "environment.crash_convolution"])
def test_what_would_take_the_process_along_acts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In worker processes these end as `hang` and `crash`, which the runner's tests show with real ones."""

    def act(*_: object) -> None:
        raise InterruptedError

    monkeypatch.setattr("os.abort", act)
    monkeypatch.setattr("time.sleep", act)
    a, image = torch.ones(4, 4).half(), torch.ones(1, 1, 4, 4).half()
    with simulate.make(torch, name), pytest.raises(InterruptedError):
        [torch.mm(a, a), torch.mm(a, a), torch.conv2d(image, image)]


# --- baselines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_baselines_are_silent_on_a_healthy_machine(dtype: str) -> None:
    assert not any(baselines.check(torch, contextlib.nullcontext(), dtype).values())


@pytest.mark.parametrize(
    ("fault", "alarms"),
    [
        ("convolution.forward_nan", {"forward_only", "any_nan", "all_nan"}),
        ("convolution.wgrad_nan", set()),
        ("rounding.toward_zero", set()),
    ],
)
def test_the_baselines_see_what_they_look_at(fault: str, alarms: set[str]) -> None:
    found = baselines.check(torch, simulate.make(torch, fault), "float16")
    assert {name for name, alarm in found.items() if alarm} == alarms


# --- counting ---------------------------------------------------------------------------------------------------------


def outcome(status: str, **fields: Any) -> running.Outcome:
    return running.Outcome(status, **fields)


def result(**found: dict[str, str]) -> report.Result:
    """A Result in which probe p has the given status for each fault."""
    faults = [faults_of.Fault(name, "", "", lambda torch: None) for name in found]
    outcomes = {name: {(p, "float16"): outcome(s) for p, s in statuses.items()} for name, statuses in found.items()}
    suite = SimpleNamespace(healthy={}, alarms={})
    return report.Result("listed", False, faults, suite, outcomes, {})


def test_catches_singles_and_the_greedy_cover() -> None:
    made = result(
        one={"p": "fail", "q": "pass"}, two={"p": "crash", "q": "fail"}, three={"q": "feature", "r": "hang"},
        four={"p": "error", "q": "unsupported"},
    )  # fmt: skip
    assert [fault.name for fault in made.missed] == ["four"]
    assert report.single(made) == {"p": ["one"], "r": ["three"]}
    assert report.cover(made) == [("p", 2), ("r", 1)]
    assert report.score_lines(made) == ["faults: 3 of 4 caught"]


def test_the_held_out_part_is_counted_apart() -> None:
    made = result(one={"p": "fail"}, two={"p": "pass"})
    made.faults[1] = faults_of.Fault("two", "", "", lambda torch: None, held_out=True)
    assert report.score_lines(made) == ["development: 1 of 1 caught", "held out: 0 of 1 caught"]


def test_a_second_set_is_read_from_files_and_split(tmp_path: Path) -> None:
    folder = tmp_path / "made_up_faults"
    folder.mkdir()
    (folder / "one.py").write_text(
        "import contextlib\n"
        "FAULTS = {'a': ('first', lambda torch: contextlib.nullcontext()), 'b': ('second', lambda torch: None)}\n"
    )
    (folder / "held_out.txt").write_text("b\n")
    assert [fault.name for fault in faults_of.second(folder)] == ["a"]
    both = faults_of.second(folder, held_out=True)
    assert [(fault.name, fault.description, fault.held_out) for fault in both] == [
        ("a", "first", False), ("b", "second", True),
    ]  # fmt: skip


def test_outcomes_are_remembered(tmp_path: Path) -> None:
    memory = running.Memory(tmp_path / "deep" / "memory.sqlite3")
    kept = outcome("fail", case="c", hits=3)
    memory.put("key", kept)
    memory.put("other", outcome("broken"))
    again = running.Memory(tmp_path / "deep" / "memory.sqlite3")
    assert again.get("key") == kept
    assert again.get("other") is None, "a child that broke says nothing about the probe"


def test_a_probe_is_run_again_when_something_that_it_imports_changes(tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "a_b.py").write_text("from .. import helper\n")
    (tmp_path / "helper.py").write_text("from . import deeper\n")
    (tmp_path / "deeper.py").write_text("X = 1\n")
    before = island_code.digest_of(suite / "a_b.py")
    (tmp_path / "deeper.py").write_text("X = 2\n")
    assert island_code.digest_of(suite / "a_b.py") != before


# --- operators --------------------------------------------------------------------------------------------------------


def test_the_inventory_holds_the_operators_of_training() -> None:
    names = {fault.name.split("/")[0] for fault in faults_of.operators()}
    assert names >= {
        "mm", "addmm", "bmm", "convolution", "convolution_backward", "native_batch_norm", "native_layer_norm_backward",
        "_softmax", "_scaled_dot_product_flash_attention_for_cpu_backward", "embedding_dense_backward", "_fused_sgd",
    }  # fmt: skip
    assert len(names) > 120


def test_every_operator_has_a_family() -> None:
    assert {report.family_of(fault.name.split("/")[0]) for fault in faults_of.operators()} <= {
        name for name, _ in report.FAMILIES
    }
