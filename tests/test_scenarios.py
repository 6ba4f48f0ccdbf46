"""The trainings that judge diagnoses are what they say they are, and their judge counts right."""

from __future__ import annotations

import ast
import math
import re
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "scripts"))

import bench_diagnose as bench  # noqa: E402
import diagnose_scenarios as scenarios  # noqa: E402
from diagnose_scenarios import Entry, kit, outcome, score  # noqa: E402
from diagnose_scenarios.device import Device, HalfSums, put, shaped  # noqa: E402
from diagnose_scenarios.scenario import CAUSES, LOSS, Expected, Scenario  # noqa: E402
from diagnose_scenarios.tools import Verdict, anomaly, available, last_frame  # noqa: E402

YOUNGEST = scenarios.SETS[1:]
EVERYTHING = [
    pytest.param(entry, marks=[pytest.mark.long] if which in YOUNGEST else [], id=entry.id)
    for which in scenarios.SETS
    for entry in scenarios.entries(which)
]


@pytest.fixture(autouse=True)
def one_thread():
    """Results that do not depend on how many cores the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- the sets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", EVERYTHING)
def test_a_scenario_ends_as_it_says_when_nobody_watches(entry: Entry) -> None:
    """Broken ones end badly, at the step they name; repaired and healthy ones learn."""
    scenario = scenarios.load(entry)
    assert not outcome.complaint(scenario, outcome.run(scenario))


@pytest.mark.parametrize("which", scenarios.SETS)
def test_a_set_covers_every_cause_at_least_twice(which: str) -> None:
    found = [scenarios.load(entry).expected for entry in scenarios.entries(which) if not entry.repaired]
    causes = [cause for expected in found if expected for cause in expected.causes]
    # Two sets hold only what a person can change in a training or a machine; another has a known cause for everything.
    machine = ("library", "compiler", "unknown")
    left_out = {"twelfth": machine, "fourteenth": ("unknown",), "fifteenth": machine, "sixteenth": ("unknown",)}.get(
        which, ()
    )
    assert {cause: causes.count(cause) for cause in CAUSES if causes.count(cause) < 2 and cause not in left_out} == {}


def test_broken_scenarios_can_be_repaired_and_healthy_ones_need_it_not() -> None:
    for which in scenarios.SETS:
        for name in scenarios.names(which):
            assert scenarios.load(Entry(which, name)).healthy is not scenarios.has_repair(which, name), name


def test_the_second_set_is_not_smaller_than_promised() -> None:
    broken = [name for name in scenarios.names("second") if scenarios.has_repair("second", name)]
    assert len(broken) >= 60
    assert not set(scenarios.names("second")) & set(scenarios.names("listed"))


def test_the_third_set_holds_every_cause_three_times_and_is_not_smaller_than_promised() -> None:
    expected = [scenarios.load(Entry("third", name)).expected for name in scenarios.names("third")]
    first = [each.causes[0] for each in expected if each]
    assert len(first) >= 80
    assert expected.count(None) >= 20
    assert {cause: first.count(cause) for cause in CAUSES if first.count(cause) < 3} == {}
    assert not set(scenarios.names("third")) & {*scenarios.names("second"), *scenarios.names("listed")}


def test_the_fifth_set_names_the_report_of_every_training() -> None:
    """A project on GitHub with the number of the thread; none of its names stands elsewhere."""
    for name in scenarios.names("fifth"):
        path = scenarios.FOLDER / "fifth" / f"{name}.py"
        said = " ".join(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).split())
        assert re.search(r"\w/[\w.-]+ (issues?|pull request) \d", said), name
    assert not set(scenarios.names("fifth")) & {name for which in scenarios.SETS[:4] for name in scenarios.names(which)}


@pytest.mark.parametrize(
    ("which", "least", "healthy"),
    [
        ("sixth", 80, 25),
        ("seventh", 75, 20),
        ("eighth", 60, 14),
        ("ninth", 85, 17),
        ("tenth", 80, 16),
        ("eleventh", 76, 16),
        ("twelfth", 70, 16),
        ("fifteenth", 66, 16),
    ],
)
def test_a_set_of_reports_names_them_and_is_not_smaller_than_promised(which: str, least: int, healthy: int) -> None:
    """Every broken training cites a project on GitHub with the number of the thread; no name stands elsewhere."""
    names = scenarios.names(which)
    broken = [name for name in names if scenarios.has_repair(which, name)]
    assert len(broken) >= least
    assert len(names) - len(broken) >= healthy
    for name in broken:
        text = (scenarios.FOLDER / which / f"{name}.py").read_text(encoding="utf-8")
        said = " ".join(ast.get_docstring(ast.parse(text)).split())
        assert re.search(r"\w/[\w.-]+ (issues?|pull request) \d", said), name
    assert not set(names) & {name for other in scenarios.SETS if other != which for name in scenarios.names(other)}


@pytest.mark.parametrize(
    ("which", "least", "healthy", "hardware"),
    [("thirteenth", 90, 25, 12), ("fourteenth", 95, 24, 15), ("sixteenth", 90, 21, 15)],
)
def test_a_set_holds_every_class_of_the_table_and_is_not_smaller_than_promised(
    which: str, least: int, healthy: int, hardware: int
) -> None:
    """No reports to cite here; a machine that computes wrong is the class that the table asks for most."""
    names = scenarios.names(which)
    expected = [scenarios.load(Entry(which, name)).expected for name in names]
    causes = [each.causes[0] for each in expected if each]
    assert len(causes) >= least
    assert expected.count(None) >= healthy
    assert causes.count("hardware") >= hardware
    others = {name for other in scenarios.SETS if other != which for name in scenarios.names(other)}
    assert not set(names) & others


@pytest.mark.parametrize("name", ["s02_head_nan_once", "s34_one_nan_in_the_input", "s12_attention_without_scaling"])
def test_a_seed_gives_the_same_training_again_and_another_seed_another(name: str) -> None:
    def first_loss(seed: int) -> float:
        scenario = scenarios.load(Entry("listed", name, seed, repaired=True))
        return outcome.number(scenario.train_step(scenario.batches[0]))

    assert first_loss(3) == first_loss(3)
    assert first_loss(3) != first_loss(4)


def test_every_scenario_says_what_goes_wrong() -> None:
    for which in scenarios.SETS:
        for path in (scenarios.FOLDER / which).glob("*.py"):
            assert path.read_text(encoding="utf-8").startswith('"""'), path.name


# --- what the scenarios are made of -----------------------------------------------------------------------------------


def test_an_expected_answer_uses_only_the_known_words() -> None:
    with pytest.raises(ValueError, match="gremlins"):
        Expected(("gremlins",))
    with pytest.raises(ValueError, match="sideways"):
        Expected(("hardware",), ("sideways",))


def test_a_device_damages_its_operator_in_its_dtype_and_nothing_else() -> None:
    a = torch.ones(2, 4)
    with Device(["mm"], put(math.nan), when=shaped(2, 2)):
        half, single, double = ((a.to(kind) @ a.t().to(kind)) for kind in (torch.float16, torch.float32, torch.float64))
        other = a.half() @ torch.ones(4, 3).half()
    assert half.isnan().sum() == 1
    assert single.isfinite().all()
    assert double.isfinite().all()
    assert other.isfinite().all(), "another shape"


def test_a_device_can_fail_at_single_calls() -> None:
    a = torch.ones(2, 2).half()
    with Device(["mm"], put(math.inf), calls=[2]):
        assert [bool((a @ a).isfinite().all()) for _ in range(3)] == [True, False, True]


def test_sums_in_half_overflow_although_the_result_is_small() -> None:
    a = torch.full((1, 128), 60.0).half()
    b = torch.cat([torch.full((64, 1), 60.0), torch.full((64, 1), -60.0)]).half()
    assert (a @ b).item() == 0
    with HalfSums(32):
        assert not (a @ b).isfinite().all()
        assert (a[:, :8] @ b[:8]).item() == 8 * 3600


def _scenario(losses: list[float], expected: Expected | None = None, learns: bool = True) -> Scenario:
    model = torch.nn.Linear(1, 1)
    return Scenario(model, kit.sgd(model), losses, torch.tensor, expected, learns=learns)


@pytest.mark.parametrize(
    ("losses", "end"),
    [
        ([1.0, 0.9, 0.8, 0.3, 0.2, 0.1], "learns"),
        ([1.0, 1.1, 0.9, 1.0, 1.1, 0.9], "stalls"),
        ([1.0, 2.0, 4.0, 8.0, 16.0, 32.0], "diverges"),
        ([1.0, math.nan, 1.0, 1.0], "nonfinite"),
    ],
)
def test_how_a_training_ends(losses: list[float], end: str) -> None:
    found = outcome.run(_scenario(losses))
    assert found.end == end
    assert found.first_bad == (1 if end == "nonfinite" else None)


def test_a_training_that_raises_ends_there() -> None:
    scenario = _scenario([1.0, "no number", 1.0])  # type: ignore[list-item]
    object.__setattr__(scenario, "train_step", lambda batch: torch.tensor(float(batch)))
    assert outcome.run(scenario).end == "raises"
    assert outcome.run(scenario).raised == 1


def test_a_scenario_that_is_not_what_it_says_is_told() -> None:
    nan = [1.0, 1.0, math.nan, 1.0]
    hurt = Expected(("bad-data",), step=2)
    assert outcome.complaint(_scenario(nan, hurt), outcome.run(_scenario(nan))) == ""
    assert "step is 2, not 1" in outcome.complaint(
        _scenario(nan, Expected(("bad-data",), step=1)), outcome.run(_scenario(nan))
    )
    assert "not stalls" in outcome.complaint(
        _scenario(nan, Expected(("bad-data",), ends="stalls")), outcome.run(_scenario(nan))
    )
    flat = [1.0] * 6
    assert "healthy, but stalls" in outcome.complaint(_scenario(flat), outcome.run(_scenario(flat)))
    assert outcome.complaint(_scenario(flat, learns=False), outcome.run(_scenario(flat))) == ""


# --- the judge --------------------------------------------------------------------------------------------------------

WANTED = Expected(("underflow",), ("loss",), (LOSS,), 4)


def test_a_right_verdict_scores_everywhere() -> None:
    for module in (LOSS, "", None):
        found = score.judge(WANTED, Verdict(True, "underflow", step=4, phase="loss", module=module), until=9)
        assert (found.detected, found.cause, found.place, found.step, found.phase) == (True,) * 5
        assert found.false_alarm is None
        assert not found.machine_blamed


def test_silence_on_a_broken_training_scores_nowhere() -> None:
    found = score.judge(WANTED, Verdict(), until=9)
    assert (found.detected, found.cause, found.place, found.step, found.phase) == (False,) * 5


def test_a_machine_is_blamed_wrongly_on_broken_and_on_healthy_trainings() -> None:
    assert score.judge(WANTED, Verdict(True, "hardware", step=4), 9).machine_blamed
    assert score.judge(None, Verdict(True, "library", step=4), 9).machine_blamed
    assert not score.judge(Expected(("hardware",)), Verdict(True, "hardware", step=0), 9).machine_blamed
    assert score.judge(Expected(("library",)), Verdict(True, "hardware", step=0), 9).machine_blamed


def test_what_has_no_place_is_not_asked_for_one() -> None:
    found = score.judge(Expected(("learning-rate",), step=None), Verdict(True, "learning-rate", step=3), until=5)
    assert found.place is None
    assert found.phase is None
    assert found.step


def test_a_healthy_training_knows_only_false_alarms() -> None:
    silent, alarmed = score.judge(None, Verdict(), 9), score.judge(None, Verdict(True, "unknown", step=1), 9)
    assert (silent.false_alarm, alarmed.false_alarm) == (False, True)
    assert silent.detected is silent.cause is silent.step is None


@pytest.mark.parametrize(("found", "right"), [(None, False), (0, True), (5, True), (6, False)])
def test_where_damage_grows_every_step_up_to_the_first_non_finite_one_is_right(found: int | None, right: bool) -> None:
    assert score.step_is_right(None, found, until=5) is right


def test_compiled_models_name_their_modules_with_a_prefix() -> None:
    assert score.place("_orig_mod.head") == "head"


def test_wilson_intervals_against_published_values() -> None:
    """Newcombe, Statistics in Medicine 17 (1998), table I, the score method without continuity correction."""
    for hits, total, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert score.wilson(hits, total) == pytest.approx((low, high), abs=1e-4)
    assert score.wilson(0, 0) == (0, 1)


def test_only_questions_that_arise_are_counted() -> None:
    assert score.count([True, None, False, True]) == (2, 3)
    assert bench.cell([None, None]) == "-"
    assert bench.cell([True, False]).startswith("1/2 50 % [")


# --- the tools and the program ----------------------------------------------------------------------------------------


def test_detect_anomaly_names_the_place_of_a_singular_gradient() -> None:
    verdict = anomaly(scenarios.load(Entry("listed", "s53d_power_half_in_a_layer")))
    wanted = scenarios.load(Entry("listed", "s53d_power_half_in_a_layer")).expected
    assert wanted is not None
    assert (verdict.detected, verdict.step, verdict.module) == (True, wanted.step, "root")
    outside = anomaly(scenarios.load(Entry("listed", "s17_sigmoid_then_log")))
    assert (outside.detected, outside.module) == (True, LOSS)


def test_detect_anomaly_keeps_silent_on_a_plain_training() -> None:
    assert not anomaly(scenarios.load(Entry("listed", "healthy_plain"))).detected


def test_the_last_frame_of_debug_underflow_overflow_is_its_place() -> None:
    """The lines that transformers 5.23 prints for a Linear in a Sequential."""
    blank = " " * 18
    printed = f"""
Detected inf/nan during batch_number=0
Last 2 forward frames:
abs min  abs max  metadata
{blank}inp Linear
3.14e-02 8.00e+01 weight
{blank}mid.0 Linear
1.86e-01 7.07e+02 weight
2.81e+00 6.33e+04 input[0]
     inf      inf output
"""
    assert last_frame(printed) == "mid.0"
    assert last_frame("nothing") is None


def test_a_tool_that_is_not_installed_is_left_out_with_a_word(monkeypatch, capsys) -> None:
    monkeypatch.setattr(bench, "available", lambda tool: tool != "DebugUnderflowOverflow")
    monkeypatch.setattr(sys, "argv", ["bench", "--tools", "DebugUnderflowOverflow", "--only", "healthy_plain"])
    assert bench.main() == 0
    assert "left out" in capsys.readouterr().err
    assert available("detect_anomaly")


def test_the_program_runs_each_training_in_a_process_of_its_own_and_keeps_a_ledger(
    monkeypatch, capsys, tmp_path
) -> None:
    ledger = tmp_path / "ledger.jsonl"
    words = [
        "bench",
        "--sets",
        "listed",
        "--tools",
        "detect_anomaly",
        "--only",
        "s17",
        "--details",
        "--causes",
        "--ledger",
    ]
    monkeypatch.setattr(sys, "argv", [*words, str(ledger)])
    assert bench.main() == 0
    text = capsys.readouterr().out
    assert "listed: 1 broken, 1 healthy or repaired" in text
    assert "| detect_anomaly | 1/1" in text
    assert "s17_sigmoid_then_log[0]+repaired: right" in text
    assert len(ledger.read_text().splitlines()) == 2


def test_a_process_that_hangs_or_dies_counts_as_silent(monkeypatch) -> None:
    monkeypatch.setattr(bench, "wait", lambda pipes, timeout: [])
    task = bench.Task(Entry("listed", "s17_sigmoid_then_log"), "detect_anomaly")
    (slow,) = bench.work([task], 1, deadline=-1)
    dead = bench.silent(task, "the process ended with -9")
    assert slow["verdict"]["error"].startswith("no answer within")
    for each in (slow, dead):
        assert each["score"]["detected"] is each["score"]["cause"] is each["score"]["place"] is False
