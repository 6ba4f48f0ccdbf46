"""Which devices a run takes, and that a GPU which cannot be used stops it with the line that repairs it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwcompat import measure
from hwcompat.errors import MachineError, UsageError
from hwcompat.model import Environment, Gpu, Report, Result, TorchFacts

T4 = Gpu("Tesla T4", pci_id="10de:1eb8", chip="TU104", compute_capability="7.5", vram_bytes=15 * 2**30, torch_index=0)
RTX5090 = Gpu(
    "NVIDIA GeForce RTX 5090", pci_id="10de:2b85", chip="GB202", compute_capability="12.0", vram_bytes=32 * 2**30,
    torch_index=0,
)  # fmt: skip
CUDA = TorchFacts(
    "2.13.0+cu126", "cuda", "12.6", "9.10.2", ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
)
MACHINE = Environment(
    "linux", "x86_64", cpu="Xeon", python="3.11.7", executable="/usr/bin/python3", driver="570.86", driver_cuda="12.8",
    gpus=(T4,), torch=replace(CUDA, devices=({"index": 0, "name": "Tesla T4"},)),
)  # fmt: skip


def names(env: Environment, wish: str | None = None) -> list[str]:
    return [device for device, _ in measure.choose_devices(env, wish)]


def unseen(gpu: Gpu) -> tuple[Gpu, ...]:
    return (replace(gpu, torch_index=None),)


def test_a_usable_gpu_is_taken_and_the_cpu_only_on_request() -> None:
    assert names(MACHINE) == ["cuda:0"]
    assert names(MACHINE, "cpu") == ["cpu"]
    assert names(MACHINE, "cuda") == names(MACHINE, "cuda:0") == ["cuda:0"]
    assert names(replace(MACHINE, gpus=(), driver=None)) == ["cpu"]


def test_one_card_of_each_model_unless_all_are_asked_for() -> None:
    other = replace(T4, name="NVIDIA A10", pci_id="10de:2236", compute_capability="8.6", torch_index=2)
    env = replace(MACHINE, gpus=(T4, replace(T4, torch_index=1), other))
    assert names(env) == ["cuda:0", "cuda:2"]
    assert names(env, "all") == ["cuda:0", "cuda:1", "cuda:2"]
    assert names(env, "cuda:1") == ["cuda:1"]


BROKEN = {
    "no torch": (replace(MACHINE, torch=None, gpus=unseen(T4)), ["no usable torch"], "torch=="),
    "CPU torch on a GPU machine": (
        replace(MACHINE, torch=TorchFacts("2.13.0+cpu", "cpu"), gpus=unseen(T4)),
        ["2.13.0+cpu", "CPU-only"],
        "--force-reinstall",
    ),
    "driver too old": (
        replace(MACHINE, driver="470.57.02", driver_cuda="11.4", torch=CUDA, gpus=unseen(T4)),
        ["470.57.02", "too old"],
        "/cu118",
    ),
    "card newer than the wheel": (
        replace(MACHINE, gpus=(RTX5090,), torch=replace(CUDA, devices=({"index": 0},))),
        ["12.0"],
        "/cu128",
    ),
}


@pytest.mark.parametrize(("env", "words", "repair"), BROKEN.values(), ids=BROKEN)
def test_a_gpu_that_cannot_be_used_stops_the_run(env: Environment, words: list[str], repair: str) -> None:
    """Exit 3 with what is installed, what blocks, and one install line for a build that serves; never the CPU."""
    with pytest.raises(MachineError) as stop:
        measure.choose_devices(env, None)
    assert stop.value.exit_code == 3
    assert all(word in stop.value.message for word in words), stop.value.message
    assert "-m pip install" in stop.value.hint
    assert repair in stop.value.hint
    assert "\n" not in stop.value.message + stop.value.hint


def test_a_device_that_is_not_here_is_named_with_those_that_are() -> None:
    with pytest.raises(MachineError, match=r"no device 'cuda:3'") as stop:
        measure.choose_devices(MACHINE, "cuda:3")
    assert "cpu, cuda:0" in stop.value.hint
    with pytest.raises(UsageError):
        measure.choose_devices(MACHINE, "cuda:three")


def test_an_interrupt_keeps_what_was_finished_and_is_said() -> None:
    done = Result("cast.overflow", "float16", "pass", cases=3)

    def execute(tasks, device):
        yield done
        raise KeyboardInterrupt

    report = measure.run(
        replace(MACHINE, gpus=(), driver=None), "cpu", "quick", (), 0, None, execute, lambda: "0" * 16, lambda: "now"
    )
    assert isinstance(report, Report)
    assert report.interrupted
    assert report.results == (done,)


def test_digests_are_kept_for_the_common_seed_and_never_of_a_simulation() -> None:
    results = (Result("cast.overflow", "float16", "pass", digest="ab" * 32),)
    blank = Report("0" * 16, "now", "0", "1", "quick", 0, "cpu", MACHINE)
    assert measure.digests_of(results, blank, {}) == {"exact/cast.overflow/float16/v1/quick/cpu": "ab" * 32}
    assert not measure.digests_of(results, replace(blank, seed=1), {})
    assert not measure.digests_of(results, replace(blank, simulated="gtx16xx"), {})
    assert measure.digests_of(results, blank, {}) != measure.digests_of(results, replace(blank, device="cuda:0"), {})
