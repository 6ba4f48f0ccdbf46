"""A report's line in the matrix: what each cell says, and which reports never become a row."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from report_values import reports

from hwcompat import matrix, report
from hwcompat.errors import UsageError
from hwcompat.model import Environment, Gpu, Measurement, Report, Result, Row, TorchFacts, Verdict

CARD = Gpu(
    name="NVIDIA GeForce GTX 1660 Ti",
    pci_id="10de:2182",
    pci_subsystem="1458:3fc7",
    chip="TU116",
    compute_capability="7.5",
    vram_bytes=6 * 2**30,
    pci_bus_id="0000:01:00.0",
)
MACHINE = Environment(
    os="linux",
    arch="x86_64",
    wsl=True,
    cpu="AMD Ryzen 5 3600",
    python="3.11.7",
    executable="/home/ann/venv/bin/python",
    driver="552.22",
    gpus=(CARD,),
    torch=TorchFacts("2.6.0+cu124", "cuda", "12.4", "9.1.0"),
)
MEASURED = Report(
    id="0123456789abcdef",
    date="2026-11-21T01:02:03Z",
    hwcompat="0.1.0",
    suite="1",
    level="standard",
    seed=0,
    device="cuda:0",
    environment=MACHINE,
    gpu=CARD,
    results=(
        Result("conv.wgrad", "float16", "fail"),
        Result("conv.forward", "float16", "crash"),
        Result("linear.forward", "float16", "pass"),
        Result("bmm", "bfloat16", "oom"),
        Result("conv.forward", "bfloat16", "flaky"),
    ),
    capabilities={"fp32": Verdict("ok"), "fp16": Verdict("faulty")},
    speed={
        "fp32_tflops": Measurement(5.12345, "TFLOP/s", 5.1, 5.2, 9),
        "bandwidth_gbs": Measurement(123456.0, "GB/s", 1, 2, 9),
        "amp_fp16_speedup": Measurement(0.000123456, "x", 0.0001, 0.0002, 9),
        "something_else": Measurement(1.0, "x", 1, 2, 9),
    },
    digests={"exact/b/float16/v1/quick": "ab" * 32, "exact/a/float16/v1/quick": "cd" * 32},
)


def test_every_cell_of_a_measured_gpu():
    digest = f"exact/a/float16/v1/quick={'cd' * 32}\nexact/b/float16/v1/quick={'ab' * 32}"
    assert report.to_row(MEASURED, contributor="ann", note="case open") == Row(
        gpu="NVIDIA GeForce GTX 1660 Ti",
        pci_id="10de:2182",
        pci_subsystem="1458:3fc7",
        chip="TU116",
        compute_capability="7.5",
        vram_gb="6",
        driver="552.22",
        os="wsl",
        arch="x86_64",
        python="3.11.7",
        torch="2.6.0+cu124",
        cuda="cu124",
        cudnn="9.1.0",
        fp32="ok",
        fp16="faulty",
        fp32_tflops="5.123",
        amp_fp16_speedup="0.0001235",
        bandwidth_gbs="123500",
        failures="conv.forward:bfloat16:flaky conv.forward:float16:crash conv.wgrad:float16:fail",
        exact_digest=hashlib.sha256(digest.encode()).hexdigest()[:16],
        source="measured",
        contributor="ann",
        date="2026-11-21",
        hwcompat="0.1.0",
        suite="1",
        level="standard",
        report_id="0123456789abcdef",
        note="case open",
    )


def test_a_cpu_row_names_the_processor_and_no_card():
    row = report.to_row(replace(MEASURED, device="cpu", gpu=None))
    assert (row.gpu, row.chip) == ("AMD Ryzen 5 3600", "cpu")
    assert (row.pci_id, row.pci_subsystem, row.compute_capability, row.vram_gb, row.driver, row.cudnn) == ("",) * 6
    assert row.torch == "2.6.0+cu124"
    assert matrix.row_path(Path("m"), row).name == "cpu.csv"


def test_unknown_facts_are_empty_cells():
    bare = Report("0123456789abcdef", "2026-11-21", "0.1.0", "1", "quick", 0, "cuda:0", Environment("linux", "x86_64"))
    row = report.to_row(replace(bare, gpu=Gpu("NVIDIA A10")))
    assert {name: cell for name, cell in row._asdict().items() if cell} == {
        "gpu": "NVIDIA A10",
        "os": "linux",
        "arch": "x86_64",
        "source": "measured",
        "date": "2026-11-21",
        "hwcompat": "0.1.0",
        "suite": "1",
        "level": "quick",
        "report_id": "0123456789abcdef",
    }


def test_a_mig_slice_is_not_the_whole_card():
    slice_ = replace(CARD, name="NVIDIA H100 80GB HBM3", mig_profile="1g.10gb", vram_bytes=int(9.75 * 2**30))
    row = report.to_row(replace(MEASURED, gpu=slice_))
    assert (row.gpu, row.vram_gb) == ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "9.75")
    named = replace(slice_, name="NVIDIA H100 80GB HBM3 MIG 1g.10gb")
    assert report.to_row(replace(MEASURED, gpu=named)).gpu == "NVIDIA H100 80GB HBM3 MIG 1g.10gb"


@pytest.mark.parametrize(
    ("version", "build", "cuda", "tag"),
    [
        ("2.13.0+cpu", "cpu", None, "cpu"),
        ("2.6.0+cu124", "cuda", "12.4", "cu124"),
        ("1.13.0+cu117.with.pypi.cudnn", "cuda", "11.7", "cu117"),
        ("2.13.0", "cuda", "12.6", "cu126"),
        ("2.3.0a0+6ddf5cf85e.nv24.04", "cuda", "12.4", "cu124"),
        ("2.7.0a0+cu1", "cuda", "12.8", "cu128"),
        ("2.5.1+rocm6.2", "rocm", "6.2.41133-dd7f95766", "rocm6.2"),
        ("2.5.1", "rocm", "6.2.41133-dd7f95766", "rocm6.2"),
        ("2.9.0+xpu", "xpu", None, "xpu"),
        ("2.9.0", "mps", None, "mps"),
        ("2.9.0", "cpu", None, "cpu"),
        ("2.9.0", "cuda", None, ""),
    ],
)
def test_the_tag_comes_from_the_version_or_from_the_build(version: str, build: str, cuda: str | None, tag: str):
    assert report.cuda_tag(TorchFacts(version, build, cuda)) == tag


def test_digests_of_one_kind_are_combined_and_notice_a_change():
    base = report.to_row(MEASURED)
    assert base.fingerprint_digest == ""
    other = replace(MEASURED, digests={**MEASURED.digests, "fingerprint/mm": "ef" * 32})
    assert report.to_row(other).exact_digest == base.exact_digest
    assert len(report.to_row(other).fingerprint_digest) == 16
    reordered = replace(MEASURED, digests=dict(reversed(MEASURED.digests.items())))
    assert report.to_row(reordered).exact_digest == base.exact_digest
    changed = replace(MEASURED, digests={**MEASURED.digests, "exact/a/float16/v1/quick": "ce" * 32})
    assert report.to_row(changed).exact_digest != base.exact_digest


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_speed_that_is_none_is_an_empty_cell(value: float):
    one = replace(MEASURED, speed={"fp32_tflops": Measurement(value, "TFLOP/s", 1, 2, 3)})
    assert report.to_row(one).fp32_tflops == ""


def test_more_failures_than_a_cell_holds_end_in_dots_and_are_readable(tmp_path: Path):
    results = tuple(Result(f"conv.number_{n}", "float16", "fail") for n in range(1000))
    row = report.to_row(replace(MEASURED, results=results))
    assert row.failures.endswith(":fail ...")
    matrix.append_row(tmp_path / "x.csv", row)
    assert matrix.read_rows(tmp_path / "x.csv") == ((row,), ())


@pytest.mark.parametrize(
    "change",
    [{"simulated": "tu116-conv-nan"}, {"interrupted": True}, {"gpu": None}],
    ids=["simulated", "interrupted", "no card"],
)
def test_what_is_no_evidence_is_never_a_row(change: dict[str, object]):
    with pytest.raises(UsageError):
        report.to_row(replace(MEASURED, **change))
    with pytest.raises(UsageError):
        report.rows(replace(MEASURED, others=(replace(MEASURED, **change),)))


def test_there_is_one_row_for_each_device():
    second = replace(MEASURED, id="00000000000000bb", device="cuda:1", gpu=replace(CARD, name="NVIDIA A10"))
    rows = report.rows(replace(MEASURED, others=(second,)), contributor="ann")
    assert [(row.gpu, row.report_id, row.contributor) for row in rows] == [
        (CARD.name, MEASURED.id, "ann"),
        ("NVIDIA A10", "00000000000000bb", "ann"),
    ]


def test_nothing_personal_enters_a_row(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("USER", "annlee")
    row = report.to_row(MEASURED, note="annlee's log: /home/annlee/x.log")
    assert row.note == "<name>'s log: <path>"
    assert "/home" not in str(row)
    assert "01:00.0" not in str(row)


def test_cells_are_safe_in_a_spreadsheet():
    hostile = replace(CARD, name="=cmd|' /C calc'!A0", chip="nan", compute_capability="None")
    row = report.to_row(replace(MEASURED, gpu=hostile), contributor="@ann", note="-1\nx")
    assert (row.gpu[:2], row.chip, row.compute_capability) == ("'=", "nonfinite", "")
    assert (row.contributor, row.note) == ("'@ann", "'-1 x")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(reports)
def test_every_row_can_be_written_and_read_back(tmp_path_factory: pytest.TempPathFactory, one: Report):
    try:
        row = report.to_row(one, contributor="=ann", note="nan")
    except UsageError:
        assert one.simulated or one.interrupted or one.gpu is None
        return
    path = tmp_path_factory.getbasetemp() / "any.csv"
    matrix.write_rows(path, [row])
    assert matrix.read_rows(path) == ((row,), ())


@pytest.mark.parametrize(
    ("measured", "cell"),
    [
        (Measurement(1.3, "x", 1.2, 1.4, 9), "1.3"),
        (Measurement(0.5, "x", 0.4, 0.6, 9), "0.5"),
        (Measurement(1.02, "x", 0.8, 1.3, 9), ""),
        (Measurement(1.3, "x", 1.2, 1.4, 9, "busy; batch 2"), ""),
    ],
    ids=["faster", "slower", "interval across 1", "busy"],
)
def test_a_doubtful_speed_stays_out_of_the_row(measured, cell):
    """The row has no room for its doubt, and others would take it for a fact."""
    assert report.to_row(replace(MEASURED, speed={"amp_fp16_speedup": measured})).amp_fp16_speedup == cell


def test_the_row_of_a_partial_run_has_no_level_and_so_vouches_for_nothing():
    assert report.to_row(MEASURED).level == "standard"
    assert report.to_row(replace(MEASURED, partial=True)).level == ""
