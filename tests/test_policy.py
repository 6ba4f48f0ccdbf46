"""Evidence becomes settings: what counts, what outweighs what, and what can never be talked into a risk."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcompat.circumstances import CardFacts, Machine
from hwcompat.model import (
    CAPABILITIES,
    VERDICTS,
    Environment,
    Fault,
    Gpu,
    Measurement,
    Pin,
    PrecisionDefault,
    Report,
    Result,
    Row,
    TorchFacts,
    Verdict,
)
from hwcompat.policy import decide

GTX1660 = Gpu(
    "NVIDIA GeForce GTX 1660 Ti", pci_id="10de:2182", pci_subsystem="1458:3fc7", chip="TU116",
    compute_capability="7.5", vram_bytes=6 * 2**30,
)  # fmt: skip
H100 = Gpu("NVIDIA H100 80GB HBM3", pci_id="10de:2330", chip="GH100", compute_capability="9.0", vram_bytes=80 * 2**30)
T4 = Gpu("Tesla T4", pci_id="10de:1eb8", chip="TU104", compute_capability="7.5", vram_bytes=15 * 2**30)
STRANGE = Gpu("NVIDIA GeForce GTX 1650", pci_id="10de:1f0a", chip="TU106", compute_capability="7.5")

WRONG = Fault(
    id="tu11x-fp16-conv", title="fp16 convolution is wrong on TU116/TU117", effect="warn", symptom="NaN loss, mAP 0",
    workaround="train in float32", citations=("https://github.com/pytorch/pytorch/issues/58123",),
    verdicts={"fp16": "faulty", "amp_fp16": "faulty"}, detected_by=("conv.forward", "conv.shapes"), chips=("TU116",),
)  # fmt: skip
SLOW = WRONG._replace(id="tu11x-fp16-gemm", title="fp16 matmul is slow", verdicts={"fp16": "slow", "amp_fp16": "slow"})
ATTENTION = WRONG._replace(id="cudnn-sdpa", title="cuDNN attention backward", verdicts={}, chips=("GH100",))


def default(fp16="native", bf16="native", amp="bfloat16"):
    return PrecisionDefault("chip", "X", fp16, bf16, amp, "as the table says", "https://example.org/table")


TURING = CardFacts(GTX1660, (WRONG, SLOW), default("emulated", "emulated", "off"), False)
HOPPER = CardFacts(H100, (ATTENTION,), default(), True)
TENSOR_TURING = CardFacts(T4, (), default("native", "emulated", "float16"), False)
UNKNOWN = CardFacts(STRANGE, (), default("unknown", "emulated", "unknown"), False)
NEVER_SEEN = CardFacts(Gpu("NVIDIA New", compute_capability="13.0"))
PASCAL = CardFacts(
    Gpu("Tesla P100", chip="GP100", compute_capability="6.0"), (), default("fp32-rate", "emulated", "off")
)

TORCH = TorchFacts("2.13.0+cu126", "cuda", "12.6", "9.10.2")
CPU_TORCH = TorchFacts("2.13.0+cpu", "cpu")
LINUX = Machine("linux", "x86_64", "3.11", "560.35", torch=TORCH)
PIN = Pin("2.13.0", "cu126", "https://download.pytorch.org/whl/cu126", "0.28.0", "2.11.0", installed=True)


def recommend(*cards, **facts):
    facts = {"device": "cuda", "machine": LINUX, "pin": PIN, "date": "2026-11-20", **facts}
    return decide(cards=cards, **facts)


def values(rec):
    return {name: setting.value for name, setting in rec.settings.items()}


def times(low, high, note=""):
    return Measurement((low + high) / 2, "x", low, high, 9, note)


def ok(**others):
    words = dict.fromkeys(CAPABILITIES, "ok")
    return {**words, **others}


def result(probe, dtype="float16", status="pass", **facts):
    return Result(probe, dtype, status, **facts)


DETECTING = tuple(result(probe) for probe in ("conv.forward", "conv.dgrad", "conv.wgrad", "conv.shapes", "amp.step"))
FAST = {"amp_fp16_speedup": times(1.5, 2.0), "fp16_tflops": times(40, 50), "fp32_tflops": times(5, 6)}


def report(gpu, words=None, results=DETECTING, speed=FAST, **facts):
    device = "cuda:0" if gpu else "cpu"
    env = facts.pop("environment", None) or Environment(
        "linux", "x86_64", driver="560.35", torch=TORCH if gpu else CPU_TORCH
    )
    base = {
        "id": "r1",
        "date": "2026-11-19T10:00:00Z",
        "hwcompat": "0.1.0",
        "suite": "1",
        "level": "standard",
        "seed": 0,
    }
    capabilities = {name: Verdict(word, (f"{name} said {word}",)) for name, word in (words or ok()).items()}
    return Report(
        **{**base, **facts}, device=device, environment=env, gpu=gpu, results=results, capabilities=capabilities,
        speed=speed,
    )  # fmt: skip


def row(gpu=GTX1660, contributor="", /, **cells):
    base = {
        "pci_id": gpu.pci_id or "", "chip": gpu.chip or "", "os": "linux", "torch": "2.13.0+cu126", "cuda": "cu126",
        "source": "measured", "level": "standard", "contributor": contributor, "date": "2026-11-01",
        "report_id": f"id-{contributor}",
    }  # fmt: skip
    return Row(**{**base, **cells})


# --- defaults and faults ----------------------------------------------------------------------------------------------


def test_a_known_fault_turns_everything_off_and_says_why():
    rec = recommend(TURING)
    assert values(rec) == {
        "amp": False, "half": False, "dtype": "float32", "grad_scaler": False, "channels_last": False,
        "cudnn_benchmark": False, "tf32": False, "torch": "2.13.0", "cuda": "cu126", "torchvision": "0.28.0",
        "torchaudio": "2.11.0", "index_url": "https://download.pytorch.org/whl/cu126",
    }  # fmt: skip
    amp = rec.settings["amp"].because
    assert "the card, not your data" in amp
    assert "tu11x-fp16-conv" in amp
    assert "more memory" in amp
    assert "batch size" in amp
    assert any("tu11x-fp16-conv" in text and "TU116" in text for text in rec.evidence)
    assert any(
        "start a new run from pretrained weights; do not resume the poisoned checkpoint" in w for w in rec.warnings
    )
    assert rec.trainable


def test_settings_come_in_the_order_of_the_file():
    order = "amp half dtype grad_scaler channels_last cudnn_benchmark tf32 torch cuda torchvision torchaudio index_url"
    assert " ".join(recommend(HOPPER).settings) == order


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (HOPPER, {"amp": True, "half": True, "dtype": "bfloat16", "grad_scaler": False, "tf32": True}),
        (TENSOR_TURING, {"amp": True, "half": True, "dtype": "float16", "grad_scaler": True, "tf32": False}),
        (UNKNOWN, {"amp": False, "half": False, "dtype": "float32", "grad_scaler": False, "tf32": False}),
        (NEVER_SEEN, {"amp": False, "half": False, "dtype": "float32", "tf32": True}),
        (PASCAL, {"amp": False, "half": False, "dtype": "float32", "tf32": False}),
    ],
    ids=["H100", "T4", "TU106 sold as GTX 1650", "a card no table knows", "P100"],
)
def test_without_measurements_the_sourced_default_decides(card, expected):
    found = values(recommend(card))
    assert {name: found[name] for name in expected} == expected


def test_an_unknown_card_is_told_to_be_unknown_and_to_probe():
    rec = recommend(UNKNOWN)
    assert rec.verdicts["amp_fp16"].value == "unknown"
    assert "unknown" in rec.settings["amp"].because
    assert "hwcompat probe" in rec.next_steps


def test_a_fault_of_one_operation_is_a_caution_and_changes_no_setting():
    rec = recommend(HOPPER)
    assert [c.operation for c in rec.cautions] == ["cuDNN attention backward"]
    assert values(rec) == values(recommend(replace(HOPPER, faults=())))


SEEN = ATTENTION._replace(detected_by=("attention.bound", "conv.forward"))
_ALL_DTYPES = tuple(result(name, dtype) for name in SEEN.detected_by for dtype in ("float16", "bfloat16"))
_BACKWARD = (result("conv.dgrad"), result("conv.wgrad"))


@pytest.mark.parametrize(
    ("results", "told"),
    [
        ((*_ALL_DTYPES, *_BACKWARD), 0),
        (_ALL_DTYPES, 1),
        (_BACKWARD, 1),
        ((*_ALL_DTYPES, *_BACKWARD, result("attention.bound", "float32", status="unsupported")), 1),
        ((*_ALL_DTYPES, *_BACKWARD, result("attention.bound", "float32", status="feature")), 1),
        ((*_ALL_DTYPES, *_BACKWARD, result("attention.bound", "float32", skipped_cases=("704 x 704",))), 1),
    ],
    ids=["all pass", "no backward", "not run", "unsupported", "a variation", "shrunk"],
)
def test_a_caution_is_told_until_all_that_detects_it_passed_here(results, told):
    card = replace(HOPPER, faults=(SEEN, ATTENTION._replace(title="nothing detects it")))
    rec = recommend(card, reports=[report(H100, results=results)])
    names = [caution.operation for caution in rec.cautions]
    assert names == [SEEN.title] * told + ["nothing detects it"]
    quick = recommend(card, reports=[report(H100, results=results, level="quick")])
    assert SEEN.title in [caution.operation for caution in quick.cautions]


def test_correct_but_slow_wins_where_memory_is_preferred():
    rec = recommend(PASCAL, prefer="memory")
    assert (rec.amp, rec.dtype, rec.half) == (True, "float16", False)
    assert "saves memory" in rec.settings["amp"].because
    assert recommend(TURING, prefer="memory").amp is False


def test_emulated_bf16_saves_memory_only_after_this_machine_passed_it():
    assert recommend(TURING, prefer="memory").amp is False
    measured = report(GTX1660, ok(fp16="faulty", amp_fp16="faulty", bf16="emulated", amp_bf16="emulated"))
    rec = recommend(TURING, prefer="memory", reports=[measured])
    assert (rec.amp, rec.dtype, rec.settings["grad_scaler"].value) == (True, "bfloat16", False)
    assert recommend(TURING, reports=[measured]).amp is False


def test_the_weakest_of_several_cards_decides_each_setting():
    rec = recommend(HOPPER, TENSOR_TURING)
    assert (rec.amp, rec.dtype, rec.settings["tf32"].value) == (True, "float16", False)
    weak = recommend(HOPPER, TURING)
    assert weak.amp is False
    assert "GTX 1660 Ti" in weak.settings["amp"].because


# --- this machine's report --------------------------------------------------------------------------------------------


def test_a_failure_here_counts_at_once_whatever_the_level():
    for level in ("quick", "standard"):
        bad = report(T4, ok(amp_fp16="faulty"), level=level)
        rec = recommend(TENSOR_TURING, reports=[bad])
        assert rec.amp is False
        assert rec.verdicts["amp_fp16"].value == "faulty"
        assert "2.13.0+cu126" in rec.settings["amp"].because


def test_a_full_pass_with_speed_clears_a_known_fault():
    rec = recommend(TURING, reports=[report(GTX1660)])
    assert (rec.amp, rec.half, rec.dtype) == (True, True, "float16")
    assert not rec.cautions


@pytest.mark.parametrize(
    "change",
    [
        {"level": "quick"},
        {"interrupted": True},
        {"speed": {}},
        {"speed": {"amp_fp16_speedup": times(1.5, 2.0, "noisy")}},
        {"results": DETECTING[:1]},
        {"results": DETECTING[1:]},
        {"results": tuple(r for r in DETECTING if r.probe != "conv.wgrad")},
        {"results": tuple(replace(r, skipped_cases=("640->640",)) for r in DETECTING)},
        {"results": tuple(replace(r, status="skipped") for r in DETECTING)},
        {"results": tuple(replace(r, dtype="bfloat16") if r.probe == "conv.wgrad" else r for r in DETECTING)[:2]},
    ],
    ids=["quick", "interrupted", "no speed", "noisy", "forward only", "no forward", "no wgrad",
         "shrunk", "skipped", "other dtype"],
)  # fmt: skip
def test_a_lesser_pass_leaves_the_known_fault_standing(change):
    rec = recommend(TURING, reports=[report(GTX1660, **change)])
    assert (rec.amp, rec.half) == (False, False)
    assert rec.verdicts["amp_fp16"].value == "faulty"


def test_correct_but_slower_here_is_slow():
    slow = {"amp_fp16_speedup": times(0.2, 0.3), "fp16_tflops": times(0.6, 0.6), "fp32_tflops": times(5, 5)}
    rec = recommend(
        TURING, reports=[report(GTX1660, ok(fp16="slow", amp_fp16="slow", amp_bf16="emulated"), speed=slow)]
    )
    assert rec.amp is False
    assert rec.verdicts["amp_fp16"].value == "slow"
    assert "not faster" in rec.settings["amp"].because


def test_unclear_speed_falls_back_on_the_default_and_is_not_slow():
    unclear = report(T4, speed={"amp_fp16_speedup": times(0.9, 1.2)})
    assert recommend(TENSOR_TURING, reports=[unclear]).amp is True
    assert recommend(UNKNOWN, reports=[replace(unclear, gpu=STRANGE)]).amp is False


OLD_DRIVER = Environment("linux", "x86_64", driver="535.10", torch=TORCH)


def test_after_a_driver_change_values_are_kept_and_speed_is_dropped():
    rec = recommend(UNKNOWN, reports=[report(STRANGE, environment=OLD_DRIVER)])
    assert rec.verdicts["amp_fp16"].value == "ok"
    assert rec.amp is False
    assert any("driver 535.10" in warning for warning in rec.warnings)
    assert "hwcompat probe" in rec.next_steps
    failed = report(STRANGE, ok(amp_fp16="faulty"), environment=OLD_DRIVER)
    assert recommend(UNKNOWN, reports=[failed]).verdicts["amp_fp16"].value == "faulty"


@pytest.mark.parametrize(
    "other",
    [
        {"gpu": replace(GTX1660, pci_id="10de:2184")},
        {"gpu": replace(GTX1660, pci_subsystem="1043:8652")},
        {"gpu": replace(GTX1660, compute_capability="8.6")},
        {"gpu": replace(GTX1660, vram_bytes=3 * 2**30)},
        {"gpu": replace(GTX1660, mig_profile="1g.10gb")},
        {"environment": Environment("windows", "x86_64", driver="560.35", torch=TORCH)},
        {"environment": Environment("linux", "x86_64", wsl=True, driver="560.35", torch=TORCH)},
        {"environment": Environment("linux", "x86_64", driver="560.35", torch=replace(TORCH, version="2.12.0+cu126"))},
        {"environment": Environment("linux", "x86_64", driver="560.35", torch=replace(TORCH, cuda="12.8"))},
        {"environment": Environment("linux", "x86_64", driver="560.35", torch=replace(TORCH, cudnn="9.26.0"))},
    ],
    ids=["PCI id", "subsystem", "capability", "memory", "MIG", "OS", "WSL", "torch", "CUDA", "cuDNN"],
)
def test_a_report_of_other_circumstances_does_not_apply(other):
    facts = {"gpu": GTX1660, **other}
    rec = recommend(TURING, reports=[report(**facts)])
    assert rec.amp is False
    assert any("does not apply" in warning for warning in rec.warnings)


def test_a_report_of_the_cpu_never_decides_settings_of_a_gpu():
    rec = recommend(TURING, reports=[report(None)])
    assert rec.amp is False
    assert recommend(HOPPER, reports=[report(None, ok(fp32="faulty", amp_bf16="faulty"))]).amp is True


def test_a_newer_quick_pass_does_not_hide_an_older_complete_failure():
    reports = [report(T4, level="quick", id="new"), report(T4, ok(amp_fp16="faulty"), id="old")]
    assert recommend(TENSOR_TURING, reports=reports).amp is False


def test_a_newer_complete_pass_outdates_an_older_failure():
    reports = [report(T4, id="new"), report(T4, ok(amp_fp16="faulty"), id="old")]
    assert recommend(TENSOR_TURING, reports=reports).amp is True


def test_unstable_hardware_gets_no_dtype_as_a_cure():
    flaky = report(H100, ok(fp16="unknown", amp_fp16="unknown"), results=(result("conv.forward", status="flaky"),))
    rec = recommend(HOPPER, reports=[flaky], prefer="memory")
    assert (rec.amp, rec.half, rec.settings["tf32"].value, rec.dtype) == (False, False, False, "float32")
    assert "unstable" in rec.settings["amp"].because
    assert "heat" in " ".join(rec.warnings)


@pytest.mark.parametrize("name", ["fp32", "memory"])
def test_where_fp32_or_memory_is_faulty_nothing_is_trained(name):
    rec = recommend(HOPPER, reports=[report(H100, ok(**{name: "faulty"}))])
    assert not rec.trainable
    assert (rec.amp, rec.half, rec.dtype) == (None, None, None)
    assert rec.settings["torch"].value == "2.13.0"
    assert any("do not train on this card with this build" in warning for warning in rec.warnings)


def test_a_simulated_report_given_on_purpose_is_answered_and_named():
    rec = recommend(CardFacts(), device="cpu", machine=replace(LINUX, torch=CPU_TORCH, driver=None), reports=[
        report(None, ok(fp16="faulty", amp_fp16="faulty"), simulated="gtx16xx",
               environment=Environment("linux", "x86_64", torch=CPU_TORCH)),
    ])  # fmt: skip
    assert rec.amp is False
    assert "the card, not your data" in " ".join(rec.warnings)
    assert any("simulated fault (gtx16xx)" in warning for warning in rec.warnings)


# --- what does not outdate a failure ----------------------------------------------------------------------------------


def test_a_partial_run_does_not_outdate_a_failure():
    """`probe --only cast`, or a run whose time was up: it passed what it ran, and says nothing of the rest."""
    bad = report(T4, ok(fp32="faulty", fp16="faulty", amp_fp16="faulty"), id="bad")
    later = report(T4, partial=True, id="later")
    assert not recommend(TENSOR_TURING, reports=[later, bad]).trainable
    assert recommend(TENSOR_TURING, reports=[report(T4, id="whole"), bad]).trainable


@pytest.mark.parametrize("sick", [0, 1])
def test_of_two_equal_cards_the_sick_one_decides_in_any_order(sick):
    slots = [replace(T4, pci_bus_id=f"0000:0{n}:00.0") for n in (1, 2)]
    words = [ok(), ok()]
    words[sick] = ok(fp16="faulty", amp_fp16="faulty")
    reports = [report(gpu, word, id=f"r{n}") for n, (gpu, word) in enumerate(zip(slots, words, strict=True))]
    assert recommend(TENSOR_TURING, reports=reports).amp is False
    together = replace(reports[0], others=(replace(reports[1], device="cuda:1"),))
    assert recommend(TENSOR_TURING, reports=[together]).amp is False


def test_this_machines_own_rows_do_not_speak_a_second_time():
    measured = report(T4, speed={"amp_fp16_speedup": times(0.8, 1.3)}, id="mine")
    mine = row(T4, "me", fp16="ok", amp_fp16="ok", fp32="ok", amp_fp16_speedup="5", report_id="mine")
    alone = recommend(TENSOR_TURING, reports=[measured])
    assert values(recommend(TENSOR_TURING, reports=[measured], rows=[mine])) == values(alone)
    assert recommend(TENSOR_TURING, reports=[measured], rows=[mine]).verdicts == alone.verdicts


# --- the CPU ----------------------------------------------------------------------------------------------------------

CPU_MACHINE = Machine("linux", "x86_64", "3.11", torch=CPU_TORCH, cpu="Xeon")
CPU = CardFacts(default=PrecisionDefault("device", "cpu", "unknown", "unknown", "off", "as the table says", "x"))


@pytest.mark.parametrize(
    ("ratio", "amp"), [(times(1.2, 1.4), True), (times(0.8, 1.4), False), (times(0.3, 0.5), False), (None, False)]
)
def test_on_a_cpu_amp_is_on_only_where_bf16_was_measured_to_be_faster(ratio, amp):
    speed = {"amp_bf16_speedup": ratio, "amp_fp16_speedup": times(2, 3)} if ratio else {}
    measured = report(None, speed=speed, environment=Environment("linux", "x86_64", torch=CPU_TORCH))
    rec = recommend(CPU, device="cpu", machine=CPU_MACHINE, reports=[measured])
    assert (rec.amp, rec.dtype) == ((True, "bfloat16") if amp else (False, "float32"))
    assert rec.settings["amp"].because


def test_fast_products_alone_do_not_turn_half_on_where_a_network_is_slower():
    """A CPU may multiply fp16 matrices as fast as fp32 ones and yet convolve ten times slower."""
    gemm = {"fp16_tflops": times(0.42, 0.43), "fp32_tflops": times(0.39, 0.40)}
    measured = report(
        None,
        ok(amp_fp16="slow"),
        speed={**gemm, "amp_fp16_speedup": times(0.08, 0.09), "amp_bf16_speedup": times(1.6, 1.8)},
        environment=Environment("linux", "x86_64", torch=CPU_TORCH),
    )
    rec = recommend(CPU, device="cpu", machine=CPU_MACHINE, reports=[measured])
    assert rec.half is False
    assert "not faster" in rec.settings["half"].because


def test_a_cpu_nobody_measured_trains_in_float32():
    rec = recommend(device="cpu", machine=CPU_MACHINE, pin=None)
    assert (rec.amp, rec.half, rec.settings["tf32"].value) == (False, False, False)
    assert rec.settings["torch"].value is None


# --- channels_last, pins ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measured", "value"),
    [(times(1.1, 1.3), True), (times(0.9, 1.3), False), (times(1.1, 1.3, "noisy"), False), (None, False)],
)
def test_channels_last_needs_a_clear_measured_gain(measured, value):
    speed = {**FAST, **({"amp_fp16_channels_last_speedup": measured} if measured else {})}
    found = recommend(TENSOR_TURING, reports=[report(T4, speed=speed)])
    assert found.settings["channels_last"].value is value
    elsewhere = recommend(TENSOR_TURING, reports=[report(T4, speed=speed, environment=OLD_DRIVER)])
    assert elsewhere.settings["channels_last"].value is False


def test_a_pin_that_is_not_installed_makes_the_settings_expected_and_says_what_to_run():
    other = replace(PIN, torch="2.14.1", installed=False)
    rec = recommend(TENSOR_TURING, reports=[report(T4)], pin=other)
    assert "expected on torch 2.14.1+cu126: measured on 2.13.0+cu126" in rec.settings["amp"].because
    assert rec.next_steps == (
        "python -m pip install torch==2.14.1 torchvision==0.28.0 torchaudio==2.11.0 "
        "--index-url https://download.pytorch.org/whl/cu126",
        "hwcompat probe",
    )


def test_the_next_step_names_the_clients_own_file():
    rec = recommend(TENSOR_TURING, reports=[report(T4)], clients={"ultralytics": "8.4.190"})
    assert rec.next_steps == ("hwcompat recommend --for ultralytics -o cfg.yaml",)


# --- rows of the matrix -----------------------------------------------------------------------------------------------

BAD = {"fp16": "faulty", "amp_fp16": "faulty", "failures": "conv.forward:float16:fail"}
GOOD = {"fp16": "ok", "amp_fp16": "ok", "amp_fp16_speedup": "1.8", "fp16_tflops": "40", "fp32_tflops": "8"}


def test_one_failing_specimen_is_suspected_two_convict():
    one = recommend(TENSOR_TURING, rows=[row(T4, "anna", **BAD)])
    assert (one.amp, one.half, one.verdicts["amp_fp16"].value) == (False, False, "unknown")
    assert "suspected" in one.settings["amp"].because
    two = recommend(TENSOR_TURING, rows=[row(T4, "anna", **BAD), row(T4, "ben", **BAD)])
    assert two.verdicts["amp_fp16"].value == "faulty"
    assert "the card, not your data" in two.settings["amp"].because


def test_all_anonymous_rows_are_one_voice():
    rows = [row(T4, report_id=str(n), **BAD) for n in range(5)]
    assert recommend(TENSOR_TURING, rows=rows).verdicts["amp_fp16"].value == "unknown"


def test_withdrawn_rows_never_count():
    anna, ben = row(T4, "anna", **BAD), row(T4, "ben", **BAD)
    for rows in (
        [anna, ben._replace(retracted="broken fan")],
        [ben._replace(retracted="broken fan"), ben, anna],
        [anna, ben, row(T4, "ben", supersedes="id-ben", report_id="later")],
        [anna, ben, row(STRANGE, "ben", supersedes="id-ben", report_id="it was another card")],
    ):
        assert recommend(TENSOR_TURING, rows=rows) == recommend(
            TENSOR_TURING, rows=[anna, *(one for one in rows if one.supersedes)]
        )
        assert recommend(TENSOR_TURING, rows=rows).verdicts["amp_fp16"].value == "unknown"
    passing = row(T4, "cleo", **GOOD)
    assert recommend(UNKNOWN, rows=[passing._replace(retracted="typed wrong", chip="TU106")]).amp is False


def test_what_this_machines_own_row_replaced_stays_replaced():
    measured = report(T4, speed={"amp_fp16_speedup": times(1.5, 1.8)}, id="mine")
    old = row(T4, "ben", **BAD)
    mine = row(T4, "ben", **GOOD, report_id="mine", supersedes="id-ben")
    assert recommend(TENSOR_TURING, reports=[measured], rows=[old, mine]) == recommend(
        TENSOR_TURING, reports=[measured]
    )


def test_a_row_of_this_machines_run_and_others_still_speaks_for_the_others():
    measured = report(T4, id="mine")
    both = row(T4, "ben", **GOOD, report_id="mine other")
    assert any("1 measured" in text for text in recommend(TENSOR_TURING, reports=[measured], rows=[both]).evidence)


def test_a_verdict_from_rows_tells_its_age_and_number_of_observations():
    passing = [row(T4, name, **GOOD, date=date) for name, date in (("cleo", "2026-01-05"), ("dan", "2026-11-01"))]
    rec = recommend(TENSOR_TURING, rows=passing)
    assert "in 2 run(s) from 2026-01-05 to 2026-11-01" in " ".join(rec.verdicts["amp_fp16"].because)
    failing = [row(T4, name, **BAD, driver="552.22") for name in ("anna", "ben")]
    near = row(T4, "cleo", **GOOD, driver="560.70")
    told = " ".join(recommend(TENSOR_TURING, rows=[*failing, near]).verdicts["amp_fp16"].because)
    assert (
        "failed in 2 independent rows from 2026-11-01" in told or "failed in 2 independent rows of 2026-11-01" in told
    )
    assert "those that passed had driver 560.70" in told


def test_several_contributors_outweigh_one():
    passing = [row(T4, name, **GOOD) for name in ("cleo", "dan")]
    rec = recommend(TENSOR_TURING, rows=[row(T4, "anna", **BAD), *passing])
    assert (rec.amp, rec.verdicts["amp_fp16"].value) == (True, "ok")
    assert any("outvoted" in text for text in rec.verdicts["amp_fp16"].because)


def test_a_measured_row_raises_what_nobody_knew_a_reported_one_does_not():
    assert recommend(UNKNOWN, rows=[row(STRANGE, "cleo", **GOOD)]).amp is True
    told = row(STRANGE, "cleo", **GOOD)
    assert recommend(UNKNOWN, rows=[told._replace(source="reported", url="https://a")]).amp is False
    assert recommend(UNKNOWN, rows=[told._replace(level="quick")]).amp is False


def test_passing_rows_of_other_machines_do_not_clear_a_known_fault():
    rows = [row(GTX1660, name, **GOOD) for name in "abcd"]
    assert recommend(TURING, rows=rows).amp is False


def test_reports_of_users_weigh_half_and_only_near_this_build():
    told = [row(T4, source="reported", url=f"https://{n}", **BAD) for n in range(4)]
    found = [recommend(TENSOR_TURING, rows=told[:n]).verdicts["amp_fp16"].value for n in range(5)]
    assert found == ["ok", "ok", "unknown", "unknown", "faulty"]
    old = [each._replace(torch="1.8.0", cuda="cu111") for each in told]
    assert recommend(TENSOR_TURING, rows=old).verdicts["amp_fp16"].value == "ok"
    unnamed = [each._replace(torch="", cuda="") for each in told]
    assert recommend(TENSOR_TURING, rows=unnamed).verdicts["amp_fp16"].value == "ok"


def test_rows_are_matched_by_pci_id_and_chip_never_by_name_or_capability():
    namesake = Gpu("NVIDIA GeForce GTX 1650", pci_id="10de:1f82", chip="TU117", compute_capability="7.5")
    rows = [row(namesake, name, gpu=STRANGE.name, compute_capability="7.5", **BAD) for name in "ab"]
    assert recommend(TENSOR_TURING, rows=rows).amp is True
    assert recommend(UNKNOWN, rows=rows).verdicts["amp_fp16"].value == "unknown"


def test_speed_never_crosses_operating_systems():
    windows = [row(STRANGE, name, **{**GOOD, "os": "windows"}) for name in "ab"]
    rec = recommend(UNKNOWN, rows=windows)
    assert rec.verdicts["amp_fp16"].value == "ok"
    assert rec.amp is False


def test_nearer_passes_by_two_voices_outdo_failures_on_other_builds():
    old = [row(T4, name, **BAD, torch="1.13.0+cu117", cuda="cu117") for name in "ab"]
    near = [row(T4, name, **GOOD) for name in "cd"]
    assert recommend(TENSOR_TURING, rows=old).amp is False
    assert recommend(TENSOR_TURING, rows=old + near[:1]).amp is False
    assert recommend(TENSOR_TURING, rows=old + near).amp is True


def test_the_reason_names_the_row():
    rec = recommend(UNKNOWN, rows=[row(STRANGE, "cleo", **GOOD)])
    assert "id-cleo" in rec.settings["amp"].because
    assert "2.13.0+cu126" in rec.settings["amp"].because


def test_a_failing_row_does_not_bring_back_the_defaults_speed():
    slow = row(T4, "cleo", **{**GOOD, "amp_fp16": "slow", "amp_fp16_speedup": "0.4"})
    facts = {"reports": [report(T4, speed={})], "rows": [slow]}
    assert recommend(TENSOR_TURING, **facts).amp is False
    facts["rows"].append(row(T4, "anna", amp_fp16="faulty"))
    assert recommend(TENSOR_TURING, **facts).amp is False


def test_rows_that_differ_in_one_cell_only_count_alike_in_any_order():
    rows = [row(H100, bf16="ok"), row(H100, bf16="emulated")]
    assert recommend(HOPPER, rows=rows) == recommend(HOPPER, rows=rows[::-1])


# --- laws -------------------------------------------------------------------------------------------------------------

words = st.sampled_from(["", *VERDICTS])
cards = st.sampled_from([TURING, HOPPER, TENSOR_TURING, UNKNOWN, PASCAL, NEVER_SEEN])


@st.composite
def rows_of(draw, gpu, failing=False):
    cells = {name: draw(words) for name in ("fp32", "tf32", "fp16", "bf16", "amp_fp16", "amp_bf16", "memory")}
    if failing:
        cells[draw(st.sampled_from(sorted(cells)))] = "faulty"
    cells.update(
        torch=draw(st.sampled_from(["", "2.13.0+cu126", "2.13.1+cu128", "2.6.0+cu124", "1.8.0+cu111"])),
        cuda=draw(st.sampled_from(["", "cu126", "cu111"])),
        os=draw(st.sampled_from(["linux", "windows", ""])),
        source=draw(st.sampled_from(["measured", "reported"])),
        level=draw(st.sampled_from(["quick", "standard", ""])),
        url=draw(st.sampled_from(["", "https://a", "https://b", "https://c"])),
        amp_fp16_speedup=draw(st.sampled_from(["", "0.2", "1.8", "fast"])),
        amp_bf16_speedup=draw(st.sampled_from(["", "0.2", "1.8"])),
        pci_id=draw(st.sampled_from([gpu.pci_id or "", "10de:ffff"])),
        failures=draw(st.sampled_from(["", "conv.forward:float16:fail"])) if failing else "",
    )
    return row(gpu, draw(st.sampled_from(["", "anna", "ben", "cleo"])), **cells)


@st.composite
def cases(draw):
    card = draw(cards)
    few = st.lists(rows_of(card.gpu), max_size=5)
    options = {"rows": draw(few), "prefer": draw(st.sampled_from(["speed", "memory"]))}
    if draw(st.booleans()):
        told = {name: draw(st.sampled_from(VERDICTS)) for name in CAPABILITIES}
        options["reports"] = [report(card.gpu, told, speed=draw(st.sampled_from([{}, FAST])))]
    return card, options, draw(st.lists(rows_of(card.gpu, failing=True), min_size=1, max_size=2))


@settings(max_examples=400, deadline=None)
@given(cases())
def test_one_more_failing_row_never_raises_a_verdict_and_never_turns_anything_on(case):
    card, options, failing = case
    before = recommend(card, **options)
    after = recommend(card, **{**options, "rows": [*options["rows"], *failing]})
    for name in CAPABILITIES:
        assert VERDICTS.index(after.verdicts[name].value) >= VERDICTS.index(before.verdicts[name].value), name
    for name in ("amp", "half", "tf32", "channels_last"):
        was, now = (rec.settings[name].value if name in rec.settings else False for rec in (before, after))
        assert was or not now, name


@settings(deadline=None)
@given(cases(), st.randoms())
def test_the_order_of_rows_is_irrelevant_and_duplicates_count_once(case, random):
    card, options, failing = case
    rows = [*options["rows"], *failing]
    shuffled = [*rows, *rows[:2]]
    random.shuffle(shuffled)
    assert recommend(card, **{**options, "rows": rows}) == recommend(card, **{**options, "rows": shuffled})


@settings(deadline=None)
@given(cases())
def test_every_setting_has_a_reason_and_the_settings_agree_with_each_other(case):
    card, options, failing = case
    rec = recommend(card, **{**options, "rows": options["rows"] + failing})
    assert all(setting.because for setting in rec.settings.values())
    if rec.trainable:
        assert rec.settings["grad_scaler"].value == (rec.amp and rec.dtype == "float16")
        assert (rec.dtype == "float32") == (not rec.amp)
        assert rec.settings["cudnn_benchmark"].value is False
