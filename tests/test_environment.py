"""Machines are recognised from recordings; interpreters, parsing and joining are tested apart."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fake_nvml
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwcompat import interpreter, nvml, system
from hwcompat.environment import detect, gpu_problem, join, public_line, runs_on, torch_facts, unusable_gpu
from hwcompat.interpreter import choose_interpreter
from hwcompat.model import Environment, Gpu, TorchFacts

MACHINES = sorted(folder for folder in fake_nvml.MACHINES.iterdir() if folder.is_dir())
LINUX = system.SystemFacts("linux", "x86_64")
needs_library = pytest.mark.skipif(bool(fake_nvml.why_not()), reason=fake_nvml.why_not())


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_nvml.build(tmp_path_factory.mktemp("nvml"))


@needs_library
@pytest.mark.parametrize("machine", MACHINES, ids=lambda folder: folder.name)
def test_a_recorded_machine_is_recognised(library: Path, machine: Path) -> None:
    expected = json.loads((machine / "expected.json").read_text(encoding="utf-8"))
    found = fake_nvml.replay(library, machine)
    unusable, gpus = expected.pop("unusable"), expected.pop("gpus")
    notes, absent = expected.pop("notes", []), expected.pop("no_notes", [])
    assert {name: found[name] for name in expected} == expected
    assert [{name: gpu[name] for name in wanted} for gpu, wanted in zip(found["gpus"], gpus, strict=True)] == gpus
    assert unusable in found["unusable"] if unusable else found["unusable"] is None
    text = "\n".join(found["notes"])
    assert not [note for note in notes if note not in text], text
    assert not [note for note in absent if note in text], text


@pytest.mark.parametrize("machine", MACHINES, ids=lambda folder: folder.name)
def test_a_recording_says_nothing_about_its_owner(machine: Path) -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in machine.iterdir() if file.name != "expected.json")
    assert not [word for word in ("GPU-", "MIG-", "uuid", "serial", "hostname") if word in text]


# --- detect never raises ----------------------------------------------------------------------------------------------


def fail(*_: Any) -> Any:
    raise RuntimeError("broken at /home/anna/x")


def test_a_machine_that_answers_nothing_is_described_with_notes() -> None:
    found = detect(read_nvml=fail, read_system=fail, read_torch=fail, chip_of=fail, environ={})
    assert found.torch is None
    assert found.gpus == ()
    text = " ".join(found.notes)
    assert all(f"{what} could not be read: RuntimeError: broken at <path>" in text for what in ("NVML", "torch"))
    assert "anna" not in text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["python", "torch", "error", "build", "cuda", "hip", "cudnn", "arch_list", "flags", "devices", "clients"]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, JSON))
def test_whatever_the_worker_writes_detect_does_not_raise(info: dict[str, Any]) -> None:
    found = detect(
        sys.executable, read_nvml=nvml.Reading, read_system=lambda: LINUX, read_torch=lambda _: info, environ={}
    )
    assert found.os == "linux"


def test_the_chip_is_looked_up_by_pci_id_and_name() -> None:
    card = Gpu("NVIDIA GeForce GTX 1650", pci_id="10de:1f0a")
    chips = {("10de:1f0a", "NVIDIA GeForce GTX 1650"): "TU106"}
    found = detect(
        sys.executable,
        read_nvml=lambda: nvml.Reading(driver="552.22", gpus=(card,)),
        read_system=lambda: LINUX,
        read_torch=lambda _: {},
        chip_of=lambda pci_id, name: chips.get((pci_id or "", name)),
        environ={},
    )
    assert [gpu.chip for gpu in found.gpus] == ["TU106"]


def test_this_very_machine_is_detected_without_an_exception() -> None:
    found = detect(read_torch=lambda _: {"python": "3.11.7", "torch": None})
    assert found.os in ("linux", "windows", "macos")
    assert found.cpu_count
    assert found.memory_bytes
    assert found.executable


# --- which interpreter ------------------------------------------------------------------------------------------------


def fake_python(prefix: Path) -> Path:
    name = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    file = prefix / name
    file.parent.mkdir(parents=True)
    file.write_text("", encoding="utf-8")
    file.chmod(0o755)
    return file


def test_an_interpreter_that_was_asked_for_wins(tmp_path: Path) -> None:
    asked = fake_python(tmp_path / "mine")
    chosen = choose_interpreter(str(asked), {"VIRTUAL_ENV": str(tmp_path)})
    assert chosen == interpreter.Interpreter(str(asked), "the interpreter that was asked for")


def test_an_interpreter_with_torch_speaks_for_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(interpreter, "_has_torch", lambda: True)
    fake_python(tmp_path)
    assert choose_interpreter(None, {"VIRTUAL_ENV": str(tmp_path)}).path == sys.executable


@pytest.mark.parametrize(("origin", "has"), [("site-packages/torch/__init__.py", True), (None, False)])
def test_a_mere_folder_named_torch_is_not_torch(monkeypatch: pytest.MonkeyPatch, origin: str | None, has: bool) -> None:
    spec = SimpleNamespace(origin=origin)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
    assert interpreter._has_torch() is has


def test_without_torch_the_order_is_virtual_env_conda_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(interpreter, "_has_torch", lambda: False)
    venv, conda, path = (fake_python(tmp_path / name) for name in ("venv", "conda", "path"))
    variables = {
        "VIRTUAL_ENV": str(tmp_path / "venv"),
        "CONDA_PREFIX": str(tmp_path / "conda"),
        "PATH": str(path.parent),
    }
    wanted = [
        (venv, "the active virtual environment"),
        (conda, "the active conda environment"),
        (path, "the first Python on PATH"),
        (Path(sys.executable), "the interpreter that runs hwcompat"),
    ]
    for variable, (file, kind) in zip((*variables, ""), wanted, strict=True):
        chosen = choose_interpreter(None, variables)
        assert (Path(chosen.path), chosen.kind) == (file, kind)
        variables = {name: value for name, value in variables.items() if name != variable}


def test_the_environment_that_runs_this_is_not_taken_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "_has_torch", lambda: False)
    here = Path(sys.executable).parent
    chosen = choose_interpreter(None, {"VIRTUAL_ENV": str(here.parent), "PATH": str(here)})
    assert chosen.kind == "the interpreter that runs hwcompat"


def test_notes_name_the_kind_of_interpreter_but_never_its_path(tmp_path: Path) -> None:
    asked = fake_python(tmp_path / "anna")
    found = detect(str(asked), read_system=lambda: LINUX, read_nvml=nvml.Reading, read_torch=lambda _: {}, environ={})
    assert found.executable == str(asked)
    assert "torch read from the interpreter that was asked for" in found.notes
    assert "anna" not in " ".join(found.notes)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("cannot open /home/anna/lib.so", "cannot open <path>"),
        (r'Error loading "C:\Users\Anna Maria\c10.dll" or a part of it', "Error loading <path> or a part of it"),
        ("get one from https://pytorch.org/get-started", "get one from https://pytorch.org/get-started"),
        ("first\nsecond", "first"),
        ("", ""),
    ],
)
def test_a_message_becomes_one_public_line(text: str, clean: str) -> None:
    assert public_line(text) == clean


# --- joining and judging ----------------------------------------------------------------------------------------------


@given(st.permutations(range(4)), st.permutations(range(4)))
def test_the_join_does_not_depend_on_either_order(nvml_order: list[int], cuda_order: list[int]) -> None:
    cards = [Gpu("NVIDIA A100", pci_bus_id=f"0000:{bus:02x}:00.0") for bus in nvml_order]
    devices = tuple(
        {"index": index, "name": "NVIDIA A100", "pci_bus_id": f"00000000:{bus:02X}:00.0"}
        for index, bus in enumerate(cuda_order)
    )
    joined, notes = join(cards, TorchFacts("2.6.0", "cuda", devices=devices))
    assert {gpu.pci_bus_id: gpu.torch_index for gpu in joined} == {
        f"0000:{bus:02x}:00.0": index for index, bus in enumerate(cuda_order)
    }
    assert notes == ()


def test_a_known_bus_id_is_never_overruled_by_an_equal_name() -> None:
    card = Gpu("NVIDIA A100", pci_bus_id="0000:01:00.0")
    device = {"index": 0, "name": "NVIDIA A100", "pci_bus_id": "0000:02:00.0"}
    joined, _ = join([card], TorchFacts("2.6.0", "cuda", devices=(device,)))
    assert [(gpu.pci_bus_id, gpu.torch_index) for gpu in joined] == [("0000:01:00.0", None), ("0000:02:00.0", 0)]


def test_a_rocm_device_is_never_joined_to_an_nvidia_card() -> None:
    card = Gpu(nvml.NAMELESS, pci_bus_id=None)
    device = {"index": 0, "name": "AMD Instinct MI210", "gcn_arch": "gfx90a:sramecc+:xnack-"}
    joined, _ = join([card], TorchFacts("2.11.0+rocm7.2", "rocm", devices=(device,)))
    assert [(gpu.vendor, gpu.torch_index, gpu.compute_capability) for gpu in joined] == [
        ("nvidia", None, None),
        ("amd", 0, "gfx90a"),
    ]


def test_equal_slices_of_one_card_are_told_apart_by_profile() -> None:
    slices = [
        Gpu("NVIDIA H100", mig_profile=profile, vram_bytes=size << 30, pci_bus_id="0000:19:00.0")
        for profile, size in (("3g.40gb", 40), ("1g.10gb", 10))
    ]
    device = {"index": 0, "name": "NVIDIA H100 MIG 1g.10gb", "pci_bus_id": "0000:19:00.0", "memory_bytes": 10 << 30}
    joined, notes = join(slices, TorchFacts("2.13.0", "cuda", devices=(device,)))
    assert [gpu.torch_index for gpu in joined] == [None, 0]
    assert notes == ()


@pytest.mark.parametrize(
    ("arch", "target", "runs"),
    [
        ("sm_75", "7.5", True),
        ("sm_80", "8.6", True),
        ("sm_86", "8.0", False),
        ("sm_70", "8.0", False),
        ("sm_90a", "9.0", True),
        ("sm_100a", "10.3", False),
        ("sm_100f", "10.3", True),
        ("sm_120", "12.0", True),
        ("sm_90", "12.0", False),
        ("compute_90", "12.0", True),
        ("compute_120", "9.0", False),
        ("gfx1100", "gfx1100", True),
        ("gfx1100", "gfx1030", False),
        ("gfx11-generic", "gfx1103", True),
        ("something new", "7.5", True),
    ],
)
def test_code_runs_on_its_own_major_version_and_ptx_on_newer(arch: str, target: str, runs: bool) -> None:
    assert runs_on(arch, target) is runs


def machine(*gpus: Gpu, torch: TorchFacts | None = None, driver: str | None = "580.95.05") -> Environment:
    return Environment("linux", "x86_64", driver=driver, driver_cuda="13.0", gpus=gpus, torch=torch)


def test_one_usable_card_is_enough_and_the_other_is_explained() -> None:
    torch = TorchFacts("2.6.0+cu124", "cuda", cuda="12.4", arch_list=("sm_86", "sm_90"))
    old, new = (
        Gpu("RTX 3090", compute_capability="8.6", torch_index=0),
        Gpu("RTX 5090", compute_capability="12.0", torch_index=1),
    )
    found = machine(new, old, torch=torch)
    assert unusable_gpu(found) is None
    assert "no kernel for RTX 5090" in (gpu_problem(new, found) or "")


def test_an_older_major_version_of_cuda_is_a_driver_too_old_even_if_torch_says_nothing() -> None:
    torch = TorchFacts("2.13.0+cu130", "cuda", cuda="13.0")
    found = Environment("linux", "x86_64", driver="550.54.14", driver_cuda="12.4", gpus=(Gpu("Tesla T4"),), torch=torch)
    assert "too old for torch 2.13.0+cu130 (it offers CUDA 12.4" in (unusable_gpu(found) or "")


def test_torch_is_believed_about_an_old_driver_that_does_not_tell_its_cuda() -> None:
    torch = TorchFacts("2.6.0+cu124", "cuda", cuda="12.4", error="The NVIDIA driver on your system is too old")
    found = Environment("linux", "x86_64", driver="390.157", gpus=(Gpu("GTX 1080"),), torch=torch)
    assert unusable_gpu(found) == "the NVIDIA driver 390.157 is too old for torch 2.6.0+cu124"


def test_a_second_slice_is_said_to_be_for_another_process() -> None:
    torch = TorchFacts("2.13.0+cu130", "cuda", cuda="13.0", devices=({"index": 0},))
    used = Gpu("NVIDIA H100", mig_profile="1g.10gb", torch_index=0)
    spare = Gpu("NVIDIA H100", mig_profile="3g.40gb")
    found = machine(used, spare, torch=torch)
    assert unusable_gpu(found) is None
    assert "CUDA uses one MIG slice a process" in (gpu_problem(spare, found) or "")


def test_a_newer_minor_version_of_cuda_is_not_taken_for_a_driver_too_old() -> None:
    torch = TorchFacts("2.13.0+cu126", "cuda", cuda="12.6", error="No CUDA GPUs are available")
    found = Environment(
        "linux", "x86_64", driver="535.183.01", driver_cuda="12.2", gpus=(Gpu("Tesla T4"),), torch=torch
    )
    assert "does not see it" in (unusable_gpu(found) or "")


def test_a_rocm_torch_on_an_nvidia_card_is_named() -> None:
    assert "is a build for rocm" in (
        unusable_gpu(machine(Gpu("Tesla T4"), torch=TorchFacts("2.11.0+rocm7.2", "rocm"))) or ""
    )


def test_no_gpu_is_no_problem() -> None:
    assert unusable_gpu(machine()) is None


def test_torch_facts_name_hip_where_there_is_no_cuda() -> None:
    facts = torch_facts({"torch": "2.11.0+rocm7.2", "build": "rocm", "hip": "7.2.26015"})
    assert facts is not None
    assert facts.cuda == "7.2.26015"


# --- parsing what operating systems say -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "os", "arch"),
    [
        ("x86_64", "linux", "x86_64"),
        ("AMD64", "windows", "x86_64"),
        ("aarch64", "linux", "aarch64"),
        ("arm64", "linux", "aarch64"),
        ("arm64", "macos", "arm64"),
        ("ARM64", "windows", "arm64"),
        ("ppc64le", "linux", "ppc64le"),
    ],
)
def test_architectures_have_one_name(name: str, os: str, arch: str) -> None:
    assert system.normal_arch(name, os) == arch


@pytest.mark.parametrize(
    ("os", "release", "wsl"),
    [
        ("linux", "5.15.153.1-microsoft-standard-WSL2", True),
        ("linux", "4.4.0-22621-Microsoft", True),
        ("linux", "6.8.0-45-generic", False),
        ("windows", "10", False),
    ],
)
def test_wsl_is_known_by_its_kernel(os: str, release: str, wsl: bool) -> None:
    assert system.is_wsl(os, release) is wsl


def test_the_processor_is_named_on_x86_and_on_arm() -> None:
    x86 = "processor\t: 0\nmodel name\t: AMD EPYC 7742  64-Core\nflags\t: fpu\n\nprocessor\t: 1\nmodel name\t: other\n"
    assert system.parse_cpuinfo(x86) == "AMD EPYC 7742 64-Core"
    arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"
    assert system.parse_cpuinfo(arm) == "Arm implementer 0x41 part 0xd0c"
    assert system.parse_cpuinfo("") is None


def test_memory_is_read_in_bytes() -> None:
    assert system.parse_meminfo("MemTotal:       16303428 kB\nMemFree: 1 kB\n") == 16303428 * 1024
    assert system.parse_meminfo("") is None


def test_only_a_jetson_is_a_jetson() -> None:
    assert system.jetson_model(b"NVIDIA Jetson Orin Nano Developer Kit\0") == "NVIDIA Jetson Orin Nano Developer Kit"
    assert system.jetson_model(b"Raspberry Pi 5 Model B Rev 1.0\0") is None


def pci_folder(root: Path, bus: str, **files: str) -> Path:
    folder = root / bus
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text + "\n", encoding="ascii")
    return folder


def test_display_controllers_are_found_on_the_pci_bus(tmp_path: Path) -> None:
    card = {"vendor": "0x10de", "device": "0x2182", "subsystem_vendor": "0x1458", "subsystem_device": "0x3fc7"}
    # Colons are not allowed in Windows file names, and the names are taken as they are.
    pci_folder(tmp_path, "01.0", **{"class": "0x030000"}, **card)
    pci_folder(tmp_path, "02.0", **{"class": "0x030200"}, vendor="0x10de", device="0x2330")
    pci_folder(tmp_path, "01.1", **{"class": "0x040300"}, **card)
    pci_folder(tmp_path, "03.0", **{"class": "0x030000"}, vendor="not hex", device="0x1")
    assert system.read_displays(tmp_path) == (
        system.PciDevice("01.0", "10de:2182", "1458:3fc7"),
        system.PciDevice("02.0", "10de:2330", None),
    )
    assert system.read_displays(tmp_path / "missing") == ()


@pytest.mark.skipif(sys.platform == "win32", reason="a Windows user may not create symbolic links")
def test_a_card_lent_to_a_virtual_machine_is_not_ours(tmp_path: Path) -> None:
    folder = pci_folder(tmp_path / "bus", "01.0", **{"class": "0x030000"}, vendor="0x10de", device="0x2182")
    (tmp_path / "vfio-pci").mkdir()
    (folder / "driver").symlink_to(tmp_path / "vfio-pci")
    assert system.read_displays(tmp_path / "bus") == ()
