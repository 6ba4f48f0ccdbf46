"""NVML is read by the real nvidia-ml-py from a stand-in library, and from stubs for what a library cannot do."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fake_nvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwcompat import nvml

needs_library = pytest.mark.skipif(bool(fake_nvml.why_not()), reason=fake_nvml.why_not())


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_nvml.build(tmp_path_factory.mktemp("nvml"))


def layouts() -> list[int]:
    """Sizes and offsets of nvidia-ml-py's own structures, in the order of `fake_layout` in fake_nvml.c."""
    import pynvml

    shapes = (
        (pynvml.nvmlPciInfo_t, "pciDeviceId pciSubSystemId busId"),
        (pynvml.c_nvmlMemory_t, "used"),
        (pynvml.c_nvmlMemory_v2_t, "total used"),
        (pynvml.c_nvmlProcessInfo_v3_t, "usedGpuMemory computeInstanceId"),
        (pynvml.c_nvmlDeviceAttributes, "gpuInstanceSliceCount memorySizeMB"),
        (pynvml.c_nvmlTemperature_v1_t, "temperature"),
    )
    numbers = (
        [ctypes.sizeof(shape), *(getattr(shape, name).offset for name in names.split())] for shape, names in shapes
    )
    return [number for group in numbers for number in group]


@needs_library
def test_the_stand_in_has_the_structures_of_nvidia_ml_py(library: Path) -> None:
    expected = layouts()
    found = (ctypes.c_size_t * len(expected)).in_dll(ctypes.CDLL(str(library)), "fake_layout")
    assert list(found) == expected


@needs_library
def test_a_reading_ends_with_shutdown_and_never_asks_who_the_card_is(library: Path, tmp_path: Path) -> None:
    machine = fake_nvml.MACHINES / "gtx1660ti-linux__tu116-7.5-usable"
    fake_nvml.replay(library, machine, tmp_path / "log")
    called = (tmp_path / "log").read_text(encoding="utf-8").split()
    assert called[0] == "nvmlInitWithFlags"
    assert called[-1] == "nvmlShutdown"
    assert called.count("nvmlShutdown") == 1
    assert "nvmlDeviceGetPciInfo_v3" in called
    assert not [name for name in called if "UUID" in name or "Serial" in name]


@needs_library
@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("NO_PERMISSION", "no permission"),
        ("DRIVER_NOT_LOADED", "kernel module is not loaded"),
        ("LIBRARY_NOT_FOUND", "not found"),
        ("FUNCTION_NOT_FOUND", "too old for this reader"),
        ("GPU_IS_LOST", "lost"),
        ("LIB_RM_VERSION_MISMATCH", "differ in version"),
        ("UNKNOWN", "did not start (Unknown Error)"),
    ],
)
def test_each_refusal_to_start_has_its_own_note(library: Path, tmp_path: Path, error: str, words: str) -> None:
    (tmp_path / "nvml.txt").write_text(f"init=!{error}\n", encoding="utf-8")
    code = "from hwcompat.nvml import read; r = read(); print(r.driver, r.gpus, r.driver_present, r.notes)"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env=fake_nvml.variables(library, tmp_path / "nvml.txt"),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert words in answer.stdout
    assert answer.stdout.startswith("None ()")
    assert (" True " in answer.stdout) == (error not in ("DRIVER_NOT_LOADED", "LIBRARY_NOT_FOUND"))
    assert not answer.stderr


RECORDED = sorted(
    file.parent
    for file in fake_nvml.MACHINES.glob("*/nvml.txt")
    if not file.read_text(encoding="utf-8").startswith("init=!")
)


@needs_library
@pytest.mark.parametrize("machine", RECORDED, ids=lambda folder: folder.name)
def test_recording_a_machine_and_replaying_it_gives_the_same_machine(
    library: Path, tmp_path: Path, machine: Path
) -> None:
    script = fake_nvml.REPOSITORY / "scripts" / "record_machine.py"
    subprocess.run(
        [sys.executable, str(script), str(tmp_path / "recorded"), "--no-torch"],
        env=fake_nvml.variables(library, machine / "nvml.txt"),
        check=True,
        timeout=120,
    )
    (tmp_path / "original").mkdir()
    shutil.copy(machine / "nvml.txt", tmp_path / "original")
    for name in ("original", "recorded"):
        (tmp_path / name / "system.json").write_text('{"os": "linux", "arch": "x86_64"}', encoding="utf-8")
    original, recorded = (fake_nvml.replay(library, tmp_path / name) for name in ("original", "recorded"))
    buses = [gpu.pop("pci_bus_id") for gpu in recorded["gpus"]]
    order = [gpu.pop("pci_bus_id") for gpu in original["gpus"]]
    assert recorded == original
    assert [buses.index(bus) for bus in buses] == [order.index(bus) for bus in order]
    assert all(re.fullmatch(r"0000:0\d:00\.0", bus) for bus in buses if bus)


def stub(**functions: Any) -> SimpleNamespace:
    """A reader with one silent GPU that knows only `functions`: every other call is missing, as with an old driver."""
    names = {"nvmlInit": lambda: None, "nvmlShutdown": lambda: None, "nvmlDeviceGetCount": lambda: 1}
    return SimpleNamespace(**{**names, "nvmlDeviceGetHandleByIndex": lambda index: index, **functions})


def test_a_card_of_which_nothing_is_known_is_still_a_card() -> None:
    reading = nvml.read(stub())
    assert [gpu.name for gpu in reading.gpus] == [nvml.NAMELESS]
    assert reading.gpus[0].vram_bytes is None
    assert reading.driver_present
    assert reading.notes == ()


@pytest.mark.parametrize("error", [OSError("no"), RuntimeError(""), ValueError("a\nb"), KeyError("x")], ids=repr)
def test_no_exception_of_any_call_gets_out(error: Exception) -> None:
    def fail(*_: Any) -> Any:
        raise error

    names = [name for name in dir(__import__("pynvml")) if name.startswith("nvml") and name[4].isupper()]
    broken = dict.fromkeys(names, fail)
    assert nvml.read(SimpleNamespace(**broken)).notes[0].startswith(nvml.PROBLEM)
    started = {**broken, "nvmlInit": lambda: None}
    assert nvml.read(SimpleNamespace(**started)).notes == (nvml.NO_DEVICE,)
    counted = {**started, "nvmlDeviceGetCount": lambda: 2}
    assert [note.split(" does")[0] for note in nvml.read(SimpleNamespace(**counted)).notes] == [
        "NVIDIA driver: GPU 0",
        "NVIDIA driver: GPU 1",
    ]
    alive = {**counted, "nvmlDeviceGetHandleByIndex": lambda index: index}
    assert [gpu.name for gpu in nvml.read(SimpleNamespace(**alive)).gpus] == [nvml.NAMELESS, nvml.NAMELESS]


def test_a_break_in_the_middle_still_shuts_down() -> None:
    closed: list[bool] = []
    library = stub(nvmlDeviceGetCount=lambda: "two", nvmlShutdown=lambda: closed.append(True))
    assert "broke off" in nvml.read(library).notes[0]
    assert closed == [True]


def test_a_missing_reader_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml.read().notes == (nvml.NO_READER,)


def test_this_process_is_not_another_process() -> None:
    def process(pid: int) -> SimpleNamespace:
        return SimpleNamespace(pid=pid)

    library = stub(
        nvmlDeviceGetComputeRunningProcesses_v2=lambda handle: [process(os.getpid()), process(1), process(2)],
        nvmlDeviceGetGraphicsRunningProcesses=lambda handle: [process(2), process(3)],
    )
    assert nvml.read(library).gpus[0].other_processes == 3


def test_old_readers_answer_bytes_and_old_names() -> None:
    library = stub(
        nvmlSystemGetDriverVersion=lambda: b"390.157",
        nvmlSystemGetCudaDriverVersion=lambda: 9010,
        nvmlDeviceGetName=lambda handle: b"GeForce GTX 1080",
        nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: 0x8,
        nvmlDeviceGetPciInfo=lambda handle: SimpleNamespace(
            pciDeviceId=0x1B8010DE, pciSubSystemId=0, busId=b"0000:01:00.0"
        ),
    )
    reading = nvml.read(library)
    assert (reading.driver, reading.cuda) == ("390.157", "9.1")
    gpu = reading.gpus[0]
    assert (gpu.name, gpu.pci_id, gpu.pci_subsystem, gpu.pci_bus_id) == (
        "GeForce GTX 1080",
        "10de:1b80",
        None,
        "0000:01:00.0",
    )
    assert gpu.throttle_reasons == ("hardware slowdown",)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("00000000:01:00.0", "0000:01:00.0"),
        ("0000:01:00.0", "0000:01:00.0"),
        ("0000:0A:00", "0000:0a:00.0"),
        ("01:00.0", "0000:01:00.0"),
        ("0001C9B8:00:00.0", "1c9b8:00:00.0"),
        ("GPU-5f3c", None),
        ("", None),
        (None, None),
    ],
    ids=str,
)
def test_bus_ids_of_both_sides_compare_equal(text: str | None, normal: str | None) -> None:
    assert nvml.normal_bus_id(text) == normal


@given(st.integers(0, 0xFFFF), st.integers(0, 255), st.integers(0, 31), st.integers(0, 7))
def test_any_width_and_case_of_a_bus_id_means_the_same(domain: int, bus: int, device: int, function: int) -> None:
    short = f"{domain:04x}:{bus:02x}:{device:02x}.{function}"
    long = f"{domain:08X}:{bus:02X}:{device:02X}.{function}"
    assert nvml.normal_bus_id(long) == nvml.normal_bus_id(short) == short


@given(st.integers(0, 0xFFFF), st.integers(1, 0xFFFF))
def test_vendor_is_the_low_half_of_a_pci_number(vendor: int, device: int) -> None:
    assert nvml.pci_pair(device << 16 | vendor) == f"{vendor:04x}:{device:04x}"


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (None, ()),
        (0x0, ()),
        (0x1, ()),
        (0x41, ("hardware thermal slowdown",)),
        (0x84, ("software power cap", "hardware power brake")),
        (0x1400, ("reason 0x1400",)),
    ],
)
def test_throttle_bits_become_words(bits: int | None, words: tuple[str, ...]) -> None:
    assert nvml.throttle_words(bits) == words


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", ("NVIDIA A100-SXM4-40GB", "1g.5gb")),
        ("NVIDIA H100 PCIe MIG 1c.3g.40gb", ("NVIDIA H100 PCIe", "1c.3g.40gb")),
        ("NVIDIA H100 PCIe", ("NVIDIA H100 PCIe", None)),
        ("Tesla MIG ", ("Tesla MIG ", None)),
    ],
)
def test_a_slice_is_named_by_card_and_profile(name: str, parts: tuple[str, str | None]) -> None:
    assert nvml.split_mig_name(name) == parts


def _stub(**answers: Any) -> SimpleNamespace:
    """A library that answers these questions and refuses all others."""
    return SimpleNamespace(**{name: lambda *_arguments, _answer=answer: _answer for name, answer in answers.items()})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((0, 0, 0, 0), (0, "ok")),
        ((3, 2, 0, 0), (2, "ok")),
        ((0, 1, 1, 0), (1, "pending")),
        ((0, 8, 1, 1), (8, "failed")),
    ],
)
def test_row_remapping_in_words(answer: tuple[int, ...], expected: tuple[int, str]) -> None:
    card = nvml._card(_stub(nvmlDeviceGetRemappedRows=answer), None)
    assert (card.remapped_rows, card.row_remapping) == expected


def test_retired_pages_of_both_causes_are_counted() -> None:
    library = SimpleNamespace(nvmlDeviceGetRetiredPages=lambda _handle, cause: ["0x1000"] * (cause + 1))
    assert nvml._card(library, None).retired_pages == 3


def test_memory_that_cannot_be_asked_is_unknown() -> None:
    card = nvml._card(SimpleNamespace(), None)
    assert (card.retired_pages, card.remapped_rows, card.row_remapping) == (None, None, None)
