"""Records the machine it runs on as a test machine: `python scripts/record_machine.py tests/machines/NAME`.

The folder's name should say what the right answer is, and `expected.json` holds the answer that hwcompat gave: read it
and correct it by hand before it becomes a test. Nothing private is written: PCI bus ids and process ids are renumbered;
no host name, user name, serial number, UUID or path is asked for. See tests/machines/README.md for the format.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hwcompat import nvml, system
from hwcompat.environment import assemble, public_line, unusable_gpu
from hwcompat.interpreter import choose_interpreter

NUMBERS = {"nvmlDeviceGetTotalEccErrors": (1, 0), "nvmlDeviceGetClockInfo": (1,), "nvmlDeviceGetMaxClockInfo": (1,)}
FACTS: tuple[tuple[str, str, Callable[[Any], object]], ...] = (
    ("name", "nvmlDeviceGetName", str),
    ("pci", "nvmlDeviceGetPciInfo", lambda pci: f"{pci.busId} {pci.pciDeviceId:#010x} {pci.pciSubSystemId:#010x}"),
    ("compute_capability", "nvmlDeviceGetCudaComputeCapability", lambda pair: f"{pair[0]}.{pair[1]}"),
    ("memory", "nvmlDeviceGetMemoryInfo", lambda memory: memory.total),
    ("ecc_uncorrected", "nvmlDeviceGetTotalEccErrors", int),
    ("sm_clock", "nvmlDeviceGetClockInfo", int),
    ("sm_clock_max", "nvmlDeviceGetMaxClockInfo", int),
    ("temperature", "nvmlDeviceGetTemperature", int),
    ("throttle_reasons", "nvmlDeviceGetCurrentClocksEventReasons", hex),
    ("compute_pids", "nvmlDeviceGetComputeRunningProcesses_v3", list),
    ("graphics_pids", "nvmlDeviceGetGraphicsRunningProcesses_v3", list),
    ("mig_mode", "nvmlDeviceGetMigMode", lambda modes: modes[0]),
    ("mig_slots", "nvmlDeviceGetMaxMigDeviceCount", int),
    ("gpu_slices", "nvmlDeviceGetAttributes", lambda attributes: attributes.gpuInstanceSliceCount),
)
OF_A_SLICE = ("name", "memory", "compute_pids", "gpu_slices")


class Renumbered:
    """Private values replaced by their order of appearance, the same one everywhere in the recording."""

    def __init__(self) -> None:
        self.buses: dict[str, str] = {}
        self.pids: dict[int, int] = {}

    def bus(self, text: str | None) -> str | None:
        normal = nvml.normal_bus_id(text)
        return self.buses.setdefault(normal, f"0000:{len(self.buses) + 1:02x}:00.0") if normal else None

    def pid(self, number: int) -> int:
        return self.pids.setdefault(number, 1001 + len(self.pids))


def nvml_lines(library: Any, renumbered: Renumbered) -> Iterator[str]:
    """The lines of nvml.txt: what every call answered, an error by its name after `!`."""
    refusal = said(library, "nvmlInit")
    if refusal.startswith("!"):
        yield f"init={refusal}"
        return
    try:
        yield f"driver={said(library, 'nvmlSystemGetDriverVersion')}"
        yield f"cuda={said(library, 'nvmlSystemGetCudaDriverVersion_v2')}"
        count = said(library, "nvmlDeviceGetCount")
        yield f"count={count}"
        for index in range(int(count) if count.isdigit() else 0):
            yield from _device_lines(library, index, renumbered)
    finally:
        nvml.ask(library, "nvmlShutdown")


def _device_lines(library: Any, index: int, renumbered: Renumbered) -> Iterator[str]:
    try:
        handle = library.nvmlDeviceGetHandleByIndex(index)
    except Exception as error:  # a lost card is a fact worth recording
        yield f"device.{index}={_error_name(error)}"
        return
    facts = [fact for fact in FACTS if fact[0] != "gpu_slices"]
    yield from _fact_lines(library, handle, f"device.{index}", facts, renumbered)
    slots = nvml.ask(library, "nvmlDeviceGetMaxMigDeviceCount", handle) or 0
    for slot in range(slots):
        mig = nvml.ask(library, "nvmlDeviceGetMigDeviceHandleByIndex", handle, slot)
        if mig is not None:
            of_a_slice = [fact for fact in FACTS if fact[0] in OF_A_SLICE]
            yield from _fact_lines(library, mig, f"device.{index}.mig.{slot}", of_a_slice, renumbered)


def _fact_lines(library: Any, handle: Any, prefix: str, facts: list[Any], renumbered: Renumbered) -> Iterator[str]:
    for key, function, as_text in facts:
        sensor = (0,) if key == "temperature" else NUMBERS.get(function, ())
        text = said(library, function, handle, *sensor, as_text=as_text, renumbered=renumbered)
        yield f"{prefix}.{key}={text}"


def said(
    library: Any,
    function: str,
    *arguments: Any,
    as_text: Callable[[Any], object] = str,
    renumbered: Renumbered | None = None,
) -> str:
    """The answer of one call as text, or `!NAME` of the error."""
    try:
        value = as_text(getattr(library, function)(*arguments))
    except Exception as error:
        return _error_name(error)
    if isinstance(value, list):
        return " ".join(str(renumbered.pid(process.pid)) if renumbered else "" for process in value)
    text = str(value)
    if function == "nvmlDeviceGetPciInfo" and renumbered:
        bus, _, numbers = text.partition(" ")
        return f"0000{renumbered.bus(bus)} {numbers}"
    return text


def _error_name(error: Exception) -> str:
    known = importlib.import_module("pynvml")
    names = {getattr(known, name): name for name in dir(known) if name.startswith("NVML_ERROR_")}
    return "!" + names.get(getattr(error, "value", None), "NVML_ERROR_UNKNOWN").removeprefix("NVML_ERROR_")


def system_facts(facts: system.SystemFacts, renumbered: Renumbered, variables: Mapping[str, str]) -> dict[str, Any]:
    """system.json: what the operating system says, and which cards the user shows to torch (a UUID becomes 0)."""
    recorded = asdict(facts)
    recorded["displays"] = [
        {**display, "bus_id": renumbered.bus(display["bus_id"])} for display in recorded["displays"]
    ]
    visible = variables.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        recorded["environ"] = {"CUDA_VISIBLE_DEVICES": visible if set(visible) <= set("0123456789,- ") else "0"}
    return recorded


def torch_info(info: Mapping[str, Any], renumbered: Renumbered) -> dict[str, Any]:
    """torch.json: the worker's answer with bus ids renumbered and messages freed of paths."""
    devices = [{**one, "pci_bus_id": renumbered.bus(one.get("pci_bus_id"))} for one in info.get("devices") or ()]
    messages = {key: public_line(str(info[key])) for key in ("error", "cuda_error") if info.get(key)}
    kept = {key: value for key, value in info.items() if key not in ("executable", "prefix")}
    return {**kept, "devices": devices, **messages}


def expected(
    facts: system.SystemFacts, reading: nvml.Reading, info: Mapping[str, Any], environ: Mapping[str, str]
) -> Any:
    """expected.json: a draft, to be read and corrected by hand."""
    found = assemble(facts, reading, choose_interpreter(sys.executable, {}), info, environ)
    keep = ("name", "pci_id", "compute_capability", "mig_profile", "torch_index", "hidden")
    gpus = [{name: value for name, value in asdict(gpu).items() if name in keep} for gpu in found.gpus]
    return {"row_os": found.row_os, "driver": found.driver, "unusable": unusable_gpu(found), "gpus": gpus}


def write(file: Path, text: str) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as out:
        out.write(text)


def main() -> None:
    import os

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", help="the interpreter whose torch is recorded")
    parser.add_argument("--no-torch", action="store_true", help="record a machine without torch")
    chosen = parser.parse_args()
    renumbered = Renumbered()
    info: Mapping[str, Any] = {}
    if not chosen.no_torch:
        from hwcompat import runner

        info = runner.info(choose_interpreter(chosen.python, os.environ).path)
    chosen.folder.mkdir(parents=True)
    lines = list(nvml_lines(importlib.import_module("pynvml"), renumbered))
    write(chosen.folder / "nvml.txt", "\n".join(lines) + "\n")
    facts = system.read()
    recorded = system_facts(facts, renumbered, os.environ)
    parts = {"system.json": recorded, "expected.json": expected(facts, nvml.read(), info, os.environ)}
    if info:
        parts["torch.json"] = torch_info(info, renumbered)
    for name, content in parts.items():
        write(chosen.folder / name, json.dumps(content, indent=1, default=list) + "\n")


if __name__ == "__main__":
    main()
