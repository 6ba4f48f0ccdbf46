"""Everything known of this machine and of the interpreter whose torch is meant, as one `Environment`.

Facts come from three sides: NVML, the operating system, and torch in the chosen interpreter. NVML's cards and torch's
are joined by PCI bus id, never by index: CUDA orders fastest first, NVML by bus
(https://docs.nvidia.com/cuda/cuda-c-programming-guide/#cuda-environment-variables, CUDA_DEVICE_ORDER).
`detect` never raises: what cannot be read is None, and a note says why.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from hwcompat import nvml, system
from hwcompat.interpreter import Interpreter, choose_interpreter, this_interpreter
from hwcompat.model import Environment, Gpu, TorchFacts
from hwcompat.nvml import NAMELESS, normal_bus_id, split_mig_name
from hwcompat.redaction import scrub

T = TypeVar("T")
ReadTorch = Callable[[str], Mapping[str, Any]]
ChipOf = Callable[[str | None, str], str | None]

_VENDORS = {"cuda": "nvidia", "rocm": "amd", "xpu": "intel", "mps": "apple"}  # by torch build
_ON_PCI_ONLY = "a GPU ({pci_id}) is on the PCI bus, but no NVIDIA driver answers"
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def detect(
    python: str | None = None,
    *,
    read_nvml: Callable[[], nvml.Reading] = nvml.read,
    read_system: Callable[[], system.SystemFacts] = system.read,
    read_torch: ReadTorch | None = None,
    chip_of: ChipOf | None = None,
    environ: Mapping[str, str] | None = None,
) -> Environment:
    """This machine, seen through the torch of `python` (path of an interpreter; default: see `choose_interpreter`).

    The keyword arguments replace the readers: of NVML, of the operating system, of torch in an interpreter (path -> the
    mapping that the worker's info job writes), of the chip behind (PCI id, name), and the environment variables.
    """
    variables = os.environ if environ is None else environ
    notes: list[str] = []
    unknown = system.SystemFacts(system.normal_os(sys.platform), "unknown")
    facts = _guarded("the operating system", read_system, unknown, notes)
    nothing = nvml.Reading()
    reading = nothing if facts.os == "macos" else _guarded("NVML", read_nvml, nothing, notes)
    chosen = _guarded("the interpreters", lambda: choose_interpreter(python, variables), this_interpreter(), notes)
    silent: Mapping[str, Any] = {}
    info = _guarded("torch", lambda: (read_torch or _read_torch)(chosen.path), silent, notes)
    bare = Environment(facts.os, facts.arch, notes=tuple(notes))
    found = _guarded("the answers", lambda: assemble(facts, reading, chosen, info, variables), bare, notes)
    named = tuple(_with_chip(gpu, chip_of or _chip_of) for gpu in found.gpus)
    return replace(found, gpus=named, notes=_unique((*notes, *found.notes)))


def assemble(
    facts: system.SystemFacts,
    reading: nvml.Reading,
    chosen: Interpreter,
    info: Mapping[str, Any],
    variables: Mapping[str, str],
) -> Environment:
    """One Environment out of what every side said (pure)."""
    torch = torch_facts(info)
    cards = reading.gpus or _cards_without_driver(facts, reading)
    gpus, join_notes = join(cards, torch, facts.displays) if torch else (cards, ())
    gpus = _mark_hidden(tuple(_apple_name(gpu, facts.cpu) for gpu in gpus), torch, variables)
    environment = Environment(
        os=facts.os,
        arch=facts.arch,
        os_version=facts.os_version,
        wsl=facts.wsl,
        cpu=facts.cpu,
        cpu_count=facts.cpu_count,
        memory_bytes=facts.memory_bytes,
        python=info.get("python"),
        executable=chosen.path,
        driver=reading.driver,
        driver_cuda=reading.cuda,
        gpus=gpus,
        torch=torch,
        notes=(f"torch read from {chosen.kind}", *_torch_notes(info, variables), *reading.notes, *join_notes),
    )
    return replace(environment, notes=(*environment.notes, *_gpu_notes(environment)))


def torch_facts(info: Mapping[str, Any]) -> TorchFacts | None:
    """The worker's info answer as TorchFacts; None if that interpreter has no torch that can be imported."""
    if not info.get("torch"):
        return None
    complaint = info.get("cuda_error")
    return TorchFacts(
        version=str(info["torch"]),
        build=str(info.get("build") or "cpu"),
        cuda=info.get("cuda") or info.get("hip"),
        cudnn=info.get("cudnn"),
        arch_list=tuple(info.get("arch_list") or ()),
        flags=dict(info.get("flags") or {}),
        devices=tuple(info.get("devices") or ()),
        clients=dict(info.get("clients") or {}),
        error=public_line(str(complaint)) if complaint else None,
    )


# --- joining torch's devices to the cards -----------------------------------------------------------------------------


def join(
    cards: Sequence[Gpu], torch: TorchFacts, displays: Sequence[system.PciDevice] = ()
) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    """The cards with `torch_index` filled in, then the devices that only torch sees; and notes about guesses."""
    joined = list(cards)
    extra: list[Gpu] = []
    notes: list[str] = []
    for device in torch.devices:
        fitting = [i for i, card in enumerate(joined) if _may_be(card, device, torch.build)]
        if not fitting:
            extra.append(_torch_only(device, torch.build, displays))
            continue
        if not normal_bus_id(device.get("pci_bus_id")) and len({joined[i].pci_bus_id for i in fitting}) > 1:
            notes.append(f"this torch tells no PCI bus ids: which of {len(fitting)} equal cards is which is a guess")
        best = min(fitting, key=lambda i: _distance(joined[i], device))
        joined[best] = _merged(joined[best], device)
    return (*joined, *extra), _unique(notes)


def _may_be(card: Gpu, device: Mapping[str, Any], build: str) -> bool:
    if card.torch_index is not None or card.vendor != _VENDORS.get(build):
        return False
    bus = normal_bus_id(device.get("pci_bus_id"))
    if bus and card.pci_bus_id:
        return bus == card.pci_bus_id
    told = card.name.removesuffix(" (nvgpu)")  # NVML's addition on Jetson
    return told in (NAMELESS, split_mig_name(_name(device))[0]) or _on_jetson(card)


def _distance(card: Gpu, device: Mapping[str, Any]) -> tuple[bool, int]:
    """Slices of one card share its bus id: the profile decides, then the memory nearest to what torch sees."""
    _, profile = split_mig_name(_name(device))
    return card.mig_profile != profile, abs((card.vram_bytes or 0) - (device.get("memory_bytes") or 0))


def _merged(card: Gpu, device: Mapping[str, Any]) -> Gpu:
    return replace(
        card,
        name=split_mig_name(_name(device))[0] if card.name == NAMELESS else card.name,
        compute_capability=card.compute_capability or device.get("compute_capability"),
        vram_bytes=card.vram_bytes or device.get("memory_bytes"),
        torch_index=device.get("index"),
    )


def _torch_only(device: Mapping[str, Any], build: str, displays: Sequence[system.PciDevice]) -> Gpu:
    bus = normal_bus_id(device.get("pci_bus_id"))
    on_bus = next((display for display in displays if bus and display.bus_id == bus), None)
    name, profile = split_mig_name(_name(device))
    return Gpu(
        name=name,
        vendor=_VENDORS.get(build, build),
        pci_id=on_bus.pci_id if on_bus else None,
        pci_subsystem=on_bus.subsystem if on_bus else None,
        compute_capability=_gfx(device) or device.get("compute_capability"),
        vram_bytes=device.get("memory_bytes"),
        mig_profile=profile,
        torch_index=device.get("index"),
        pci_bus_id=bus,
    )


def _name(device: Mapping[str, Any]) -> str:
    return str(device.get("name") or "unnamed device")


def _apple_name(gpu: Gpu, cpu: str | None) -> Gpu:
    """Apple's processor and GPU are one chip with one name, and torch does not tell it."""
    return replace(gpu, name=cpu) if gpu.vendor == "apple" and cpu else gpu


def _gfx(device: Mapping[str, Any]) -> str | None:
    arch = device.get("gcn_arch")
    return str(arch).partition(":")[0] if arch else None  # "gfx90a:sramecc+:xnack-"


def _cards_without_driver(facts: system.SystemFacts, reading: nvml.Reading) -> tuple[Gpu, ...]:
    """Cards that are certainly there although NVML lists none, so that nobody takes this for a machine without one."""
    on_bus = tuple(
        Gpu(NAMELESS, pci_id=display.pci_id, pci_subsystem=display.subsystem, pci_bus_id=display.bus_id)
        for display in facts.displays
        if display.pci_id.startswith("10de:")
    )
    if on_bus:
        return on_bus
    if facts.jetson:
        return (Gpu(facts.jetson),)
    # A driver that is loaded but refuses to talk was loaded for a card; one that counts to zero has none.
    return (Gpu(NAMELESS),) if reading.driver_present and nvml.NO_DEVICE not in reading.notes else ()


def _mark_hidden(gpus: tuple[Gpu, ...], torch: TorchFacts | None, variables: Mapping[str, str]) -> tuple[Gpu, ...]:
    value = variables.get(_VISIBLE)
    if value is None:
        return gpus
    hides_all = value.strip() in ("", "-1", "NoDevFiles")
    sees_some = torch is not None and torch.build == "cuda" and bool(torch.devices)
    hides = [hides_all or (sees_some and gpu.torch_index is None) for gpu in gpus]
    return tuple(replace(gpu, hidden=gpu.vendor == "nvidia" and hide) for gpu, hide in zip(gpus, hides, strict=True))


# --- why a card cannot be used ----------------------------------------------------------------------------------------


def unusable_gpu(environment: Environment) -> str | None:
    """One line: why no GPU of this machine can be used by its torch. None: one can, none exists, or it is hidden."""
    wanted = [gpu for gpu in environment.gpus if not gpu.hidden]
    problems = [gpu_problem(gpu, environment) for gpu in wanted]
    return problems[0] if problems and all(problems) else None


def gpu_problem(gpu: Gpu, environment: Environment) -> str | None:
    """One line: why this torch cannot use `gpu`; None if nothing stands in the way."""
    torch = environment.torch
    who = gpu.name if gpu.name != NAMELESS else f"the NVIDIA GPU ({gpu.pci_id or 'unnamed'})"
    if gpu.torch_index is not None and torch:
        return _kernel_problem(who, gpu, torch)
    if gpu.vendor == "nvidia" and environment.driver is None and not _on_jetson(gpu):
        answer = next((note for note in environment.notes if note.startswith(nvml.PROBLEM)), None)
        return f"{who} is there, but no NVIDIA driver answers" + (f". {answer}" if answer else "")
    if torch is None:
        return f"{who} is there, but the chosen interpreter has no torch that can be imported"
    if torch.build != "cuda":
        kind = "a CPU-only build" if torch.build == "cpu" else f"a build for {torch.build}"
        return f"{who} is there, but torch {torch.version} is {kind}"
    if gpu.mig_profile and torch.devices:
        return f"{who} {gpu.mig_profile}: CUDA uses one MIG slice a process; choose it with {_VISIBLE}"
    if _driver_too_old(environment, torch):
        offers = f" (it offers CUDA {environment.driver_cuda}, torch was built for {torch.cuda})"
        return f"the NVIDIA driver {environment.driver} is too old for torch {torch.version}" + (
            offers if environment.driver_cuda and torch.cuda else ""
        )
    return f"{who} is there, but torch {torch.version} does not see it: {torch.error or 'torch gives no reason'}"


def _on_jetson(gpu: Gpu) -> bool:
    return "jetson" in gpu.name.lower()


def _driver_too_old(environment: Environment, torch: TorchFacts) -> bool:
    complaint = (torch.error or "").lower()
    if "driver" in complaint and ("too old" in complaint or "insufficient" in complaint):
        return True
    # Within one major version newer CUDA runs on older drivers: https://docs.nvidia.com/deploy/cuda-compatibility/
    offered, needed = (version and version.partition(".")[0] for version in (environment.driver_cuda, torch.cuda))
    return not torch.devices and bool(offered and needed) and int(offered or 0) < int(needed or 0)


def _kernel_problem(who: str, gpu: Gpu, torch: TorchFacts) -> str | None:
    target = gpu.compute_capability
    if not target or not torch.arch_list or any(runs_on(arch, target) for arch in torch.arch_list):
        return None
    kind = target if target.startswith("gfx") else f"compute capability {target}"
    return f"torch {torch.version} has no kernel for {who} ({kind}); it has {' '.join(torch.arch_list)}"


def runs_on(arch: str, target: str) -> bool:
    """True if code for `arch` (sm_80, sm_90a, compute_90, gfx1100) runs on `target` ("8.6", "gfx1100").

    A cubin runs on its own major version from its minor version on; one marked `a` only on exactly its own, PTX on
    everything newer: https://docs.nvidia.com/cuda/cuda-compiler-driver-nvcc/#gpu-feature-list
    What is not understood is taken to run: better no warning than a false one.
    """
    if target.startswith("gfx"):
        return arch.partition(":")[0] == target or arch.endswith("-generic")
    found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", arch)
    wanted = re.fullmatch(r"(\d+)\.(\d)", target)
    if not found or not wanted:
        return True
    have, need = (int(found[2]), int(found[3])), (int(wanted[1]), int(wanted[2]))
    if found[4] == "a":
        return have == need
    return have <= need and (found[1] == "compute" or have[0] == need[0])


# --- notes ------------------------------------------------------------------------------------------------------------


def _torch_notes(info: Mapping[str, Any], variables: Mapping[str, str]) -> tuple[str, ...]:
    notes: list[str] = []
    if info and not info.get("torch"):
        why = info.get("error")
        notes.append(f"torch could not be imported: {public_line(str(why))}" if why else "no torch is installed there")
    if _VISIBLE in variables:  # its value may hold a card's UUID, so it is not repeated
        notes.append(f"{_VISIBLE} is set: torch sees only the cards that it names")
    return tuple(notes)


def _gpu_notes(environment: Environment) -> tuple[str, ...]:
    notes = [f"{gpu.name} is hidden from torch by {_VISIBLE}" for gpu in environment.gpus if gpu.hidden]
    undriven = (g for g in environment.gpus if g.name == NAMELESS and g.pci_id and g.torch_index is None)
    if environment.driver is None:
        notes += [_ON_PCI_ONLY.format(pci_id=gpu.pci_id) for gpu in undriven]
    if unusable_gpu(environment) is None:
        notes += [gpu_problem(gpu, environment) or "" for gpu in environment.gpus if not gpu.hidden]
    return tuple(note for note in notes if note)


def public_line(text: str) -> str:
    """The first line of an error message without paths and names; at most 300 characters."""
    return scrub(text.strip().partition("\n")[0].strip())[:300]


def _guarded(what: str, reader: Callable[[], T], otherwise: T, notes: list[str]) -> T:
    try:
        return reader()
    except Exception as error:
        message = public_line(str(error))
        notes.append(f"{what} could not be read: {type(error).__name__}" + (f": {message}" if message else ""))
        return otherwise


def _read_torch(python: str) -> Mapping[str, Any]:
    from hwcompat import runner

    answer: Mapping[str, Any] = runner.info(python)
    return answer


def _unique(notes: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(notes))


def _with_chip(gpu: Gpu, chip_of: ChipOf) -> Gpu:
    return replace(gpu, chip=system.attempt(lambda: chip_of(gpu.pci_id, gpu.name), None))


def _chip_of(pci_id: str | None, name: str) -> str | None:
    from hwcompat import tables

    chip: str | None = tables.chip_of(pci_id, name, tables.load_tables())
    return chip
