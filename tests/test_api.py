"""The Python API: what other programs call."""

from __future__ import annotations

from pathlib import Path

import pytest

import hwcompat
from hwcompat import errors, model


def test_probe_in_process_and_its_report() -> None:
    report = hwcompat.probe(device="cpu", only=("cast.overflow", "matmul.integer"), isolate=False)
    assert report.ok
    assert report.failures == ()
    assert report.verdict("fp16") == "ok"
    assert {r.probe for r in report.results} == {"cast.overflow", "matmul.integer"}
    with pytest.raises(KeyError):
        report.verdict("fp17")


def test_in_process_and_isolated_runs_agree_bit_for_bit() -> None:
    here = hwcompat.probe(device="cpu", only=("matmul.integer",), isolate=False)
    apart = hwcompat.probe(device="cpu", only=("matmul.integer",))
    assert here.digests
    assert here.digests == apart.digests


def test_a_fault_in_the_callers_dispatch_mode_is_found() -> None:
    """isolate=False runs under whatever mode the caller has entered, in this thread."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class ZeroedTile(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if func is torch.ops.aten.mm.default and out.dtype == torch.float16:
                out[:8, :8] = 0
            return out

    with ZeroedTile():
        report = hwcompat.probe(device="cpu", only=("matmul.integer",), isolate=False)
    assert not report.ok
    assert report.verdict("fp16") == "faulty"
    assert report.verdict("bf16") == "ok"
    assert {(r.probe, r.dtype, r.status) for r in report.failures} == {("matmul.integer", "float16", "fail")}


def test_torch_state_survives_a_run_in_process() -> None:
    import torch

    torch.manual_seed(7)
    before = torch.get_rng_state()
    torch.backends.cudnn.benchmark = True
    try:
        hwcompat.probe(device="cpu", only=("cast.overflow",), isolate=False)
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.backends.cudnn.benchmark is True
    finally:
        torch.backends.cudnn.benchmark = False


def test_a_run_with_nothing_measured_is_not_ok() -> None:
    assert not hwcompat.probe(device="cpu", only=("matmul.tf32",), isolate=False).ok


def test_python_together_with_isolate_false_is_an_error() -> None:
    with pytest.raises(errors.UsageError):
        hwcompat.probe(isolate=False, python="python3")


def test_progress_counts_up_to_the_total() -> None:
    seen: list[tuple[int, int, str]] = []
    hwcompat.probe(device="cpu", only=("cast.overflow",), progress=lambda *step: seen.append(step))
    assert seen
    assert seen[-1][0] <= seen[-1][1]


def test_recommend_for_a_described_machine() -> None:
    rec = hwcompat.recommend(
        gpu="NVIDIA GeForce GTX 1660 Ti", driver="552.22", os="windows", arch="x86_64", python="3.11"
    )
    assert (rec.amp, rec.half, rec.dtype) == (False, False, "float32")
    assert rec.pin is not None
    assert rec.pin.verified == "yes"
    assert rec.pin.tag.startswith("cu12")
    assert rec.verdicts["fp16"].value in ("faulty", "unknown", "slow")
    assert all(setting.because for setting in rec.settings.values())


@pytest.mark.parametrize(
    ("gpu", "amp", "dtype"),
    [
        ("Tesla T4", True, "float16"),
        ("NVIDIA H100 80GB HBM3", True, "bfloat16"),
        ("Tesla P100-PCIE-16GB", False, "float32"),
        ("cpu", False, "float32"),
    ],
)
def test_defaults_by_card(gpu: str, amp: bool, dtype: str) -> None:
    rec = hwcompat.recommend(gpu=gpu, driver="580.95", os="linux", arch="x86_64", python="3.12")
    assert (rec.amp, rec.dtype) == (amp, dtype)


def test_an_ambiguous_name_answers_for_the_worst_chip() -> None:
    rec = hwcompat.recommend(gpu="NVIDIA GeForce GTX 1650", driver="570.86", os="linux", arch="x86_64", python="3.11")
    assert rec.amp is False
    assert any("TU117" in warning and "TU106" in warning for warning in rec.warnings)


def test_resolve_and_its_refusal() -> None:
    pin = hwcompat.resolve(gpu="NVIDIA GeForce GTX 1080 Ti", driver="570.86", os="linux", arch="x86_64", python="3.11")
    assert pin.tag in ("cu126", "cu118")
    assert pin.index_url.endswith(pin.tag)
    assert any("6.1" in reason for reason in pin.rejected)
    with pytest.raises(hwcompat.NoBuildError) as refusal:
        hwcompat.resolve(gpu="GRID K520", driver="470.57", os="linux", arch="x86_64", python="3.8")
    assert refusal.value.rejected


def test_a_simulated_report_is_never_evidence() -> None:
    report = hwcompat.probe(device="cpu", only=("conv.shapes",), isolate=False, simulate="gtx16xx")
    assert report.simulated == "gtx16xx"
    assert report.verdict("fp16") == "faulty"
    assert report.verdict("bf16") == "emulated"  # as on the card that it plays, whatever this machine has
    assert hwcompat.recommend(report=report).verdicts["fp16"].value != "faulty"
    from hwcompat import api

    with pytest.raises(errors.UsageError):
        api.record(report)


def test_load_matrix_gives_every_row_with_words_kept(private_home: Path) -> None:
    frame = hwcompat.load_matrix()
    assert len(frame) >= 300
    assert set(frame["source"]) <= {"measured", "reported"}
    assert list(frame.columns) == list(model.Row._fields)


def test_only_this_hosts_reports_are_evidence(private_home: Path) -> None:
    """A home folder may be shared by many machines."""
    import json

    from hwcompat import api

    report = hwcompat.probe(device="cpu", only=("cast.overflow",), isolate=False)
    api.record(report)
    assert [r.id for r in api.local_reports(report.environment)] == [report.id]
    sidecar = private_home / "reports" / f"{report.id}.private.json"
    sidecar.write_text(
        json.dumps({**json.loads(sidecar.read_text(encoding="utf-8")), "host": "another"}), encoding="utf-8"
    )
    assert api.local_reports(report.environment) == ()


def test_a_device_that_answers_nothing_gets_no_verdict() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Dead(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with Dead(), pytest.raises(errors.MachineError, match="does not answer"):
        hwcompat.probe(device="cpu", only=("cast.overflow",), isolate=False)


def test_a_run_of_some_probes_is_partial() -> None:
    assert hwcompat.probe(device="cpu", only=("cast.overflow",), isolate=False).partial
