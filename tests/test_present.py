"""What a person reads after a probe: few lines, plain ASCII, no pass where there was none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwcompat import present
from hwcompat.model import (
    Caution,
    Environment,
    Gpu,
    Measurement,
    Recommendation,
    Report,
    Result,
    Setting,
    TorchFacts,
    Verdict,
)

GTX = Gpu("NVIDIA GeForce GTX 1660 Ti", pci_id="10de:2182", chip="TU116", compute_capability="7.5")
ENV = Environment("windows", "x86_64", driver="552.22", gpus=(GTX,), torch=TorchFacts("2.14.1+cu126", "cuda", "12.6"))
OFF = Recommendation(
    settings={
        "amp": Setting(False, "x"), "half": Setting(False, "x"), "dtype": Setting("float32", "x"),
    },
    pin=None, verdicts={},
)  # fmt: skip
BAD = Result("conv.forward", "float16", "fail", "3x3 2x640x64x64", "7 of 9 wrong (4 non-finite)", cases=20)
SICK = Report(
    "0" * 16, "2026-11-21T00:00:00Z", "0.1.0", "1", "standard", 0, "cuda:0", ENV, GTX,
    results=(BAD, Result("matmul.integer", "float32", "pass", cases=4)),
    capabilities={
        "fp32": Verdict("ok", ("passed",)),
        "fp16": Verdict("faulty", ("conv.forward gives wrong results",)),
        "fp8": Verdict("unknown", ("not measured",)),
    },
    speed={"fp32_tflops": Measurement(5.2, "TFLOP/s", 5.1, 5.3, 9)},
)  # fmt: skip
WELL = replace(
    SICK, results=(Result("matmul.integer", "float32", "pass", cases=4),), capabilities={"fp32": Verdict("ok")}
)


def lines(report: Report) -> list[str]:
    return present.probe_lines(report, OFF, ("hwcompat recommend -o cfg.yaml",))


def test_a_sick_card_is_named_with_what_to_do_and_what_else_must_happen() -> None:
    told = lines(SICK)
    assert told[0].startswith("NVIDIA GeForce GTX 1660 Ti (TU116, 7.5")
    assert all(word in told[0] for word in ("552.22", "2.14.1+cu126", "FAULTY in fp16"))
    assert all(word in told[1] for word in ("amp: false", "half: false", "the card, not your data", "do not resume"))
    assert any(line.startswith("fp16") and "faulty" in line for line in told)
    assert any("5.2 TFLOP/s" in line for line in told)
    assert told[-1] == "next: hwcompat recommend -o cfg.yaml"
    assert "3x3 2x640x64x64" in "\n".join(told)


def test_a_pass_says_how_much_was_checked_and_what_was_not() -> None:
    assert "no fault found by 4 checks on this build" in lines(WELL)[-2]
    assert "not tested: tf32" in lines(WELL)[-2]
    assert "not your data" not in "\n".join(lines(WELL))


def test_an_interrupted_run_never_reads_like_a_pass() -> None:
    told = "\n".join(lines(replace(WELL, interrupted=True)))
    assert "INTERRUPTED, no verdict" in told
    assert "no fault" not in told
    assert "ok" not in told.split()


def test_a_run_that_measured_nothing_says_why() -> None:
    skipped = Result("loss.bce", "float16", "skipped", detail="its group's 0.01 s were used up")
    told = "\n".join(lines(replace(WELL, results=(skipped,), capabilities={})))
    assert "nothing was measured: its group's 0.01 s were used up" in told
    assert "no fault" not in told


@pytest.mark.parametrize("text", ["ö\n\x1b[31mred", "日本", "a\x00b\u202ec"])
def test_lines_are_ascii_and_cannot_move_the_cursor(text: str) -> None:
    report = replace(SICK, cautions=(Caution(text, text, text),), gpu=replace(GTX, name=text))
    assert all(line.isascii() and line.isprintable() for line in lines(report))


def test_a_dozen_lines_at_most() -> None:
    words = dict.fromkeys(("fp32", "tf32", "fp16", "bf16", "amp_fp16", "amp_bf16", "memory"), Verdict("ok", ("x",)))
    many = tuple(Caution(f"operation {n}", "d") for n in range(9))
    told = lines(replace(WELL, capabilities=words, cautions=many))
    assert len(told) == present.MOST_LINES == 12
    assert "caution: 9 more in the report" in told[-3]
    assert sum("caution" in line for line in lines(replace(WELL, cautions=many))) == 7
