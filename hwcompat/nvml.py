"""NVIDIA's management library (NVML), read through nvidia-ml-py into frozen values.

Every single question may be answered NOT_SUPPORTED (GeForce, WSL, Jetson), NO_PERMISSION (containers) or not at all
(old drivers lack functions): that fact is then None. `read` never raises and always shuts the library down again.
UUIDs and serial numbers are never asked for: what is not known cannot leak.
Source of functions, structures and error numbers: https://docs.nvidia.com/deploy/nvml-api/
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from hwcompat.model import Gpu

NAMELESS = "NVIDIA GPU"
"""The name of a card that is certainly there but told nobody what it is called."""

PROBLEM = "NVIDIA driver: "
"""Every note that says why the driver gives no answer begins so."""

_REPAIR = "install it from https://www.nvidia.com/drivers; in a container, start it with `--gpus all`"
NOT_FOUND = PROBLEM + f"not found (its library NVML is missing). If this machine has an NVIDIA GPU, {_REPAIR}."
NO_READER = PROBLEM + "not asked, the Python package nvidia-ml-py is missing. Run `pip install nvidia-ml-py`."
NO_DEVICE = PROBLEM + (
    "it answers but lists no device. If there is a card: it is not given to this container or job, it is bound to"
    " another driver, or this driver no longer supports it."
)

# Error numbers are part of NVML's binary interface (nvmlReturn_t), so they hold for every version of the reader.
_START_PROBLEMS = {
    4: "no permission to use it. Join the group that owns /dev/nvidia*, or pass the device to the container.",
    9: f"its library is installed but the kernel module is not loaded. Reboot; if that does not help, {_REPAIR}.",
    12: NOT_FOUND[len(PROBLEM) :],
    13: "it is too old for this reader. Install a newer driver from https://www.nvidia.com/drivers.",
    15: "a GPU is lost (it no longer answers on the PCI bus). Power the machine off and on; check power and seating.",
    18: "its library and kernel module differ in version (updated while running). Reboot; in a container, restart it.",
}
_NO_PROOF_OF_CARD = frozenset({9, 12})  # the library alone may be installed on a machine without any card

# https://docs.nvidia.com/deploy/nvml-api/group__nvmlClocksEventReasons.html
# Bit 0x1 (idle) is left out: an idle card lowers its clock without anything holding it back.
_THROTTLE_BITS = (
    (0x2, "application clocks setting"),
    (0x4, "software power cap"),
    (0x8, "hardware slowdown"),
    (0x10, "sync boost"),
    (0x20, "software thermal slowdown"),
    (0x40, "hardware thermal slowdown"),
    (0x80, "hardware power brake"),
    (0x100, "display clock setting"),
)

_CLOCK_SM = 1
_SENSOR_GPU = 0
_ECC_UNCORRECTED, _ECC_VOLATILE = 1, 0
_RETIREMENT_CAUSES = (0, 1)  # several single-bit errors, a double-bit error
_MIG_ON = 1
_MIB = 1 << 20


@dataclass(frozen=True)
class Reading:
    """What NVML said. `driver_present`: a driver is surely loaded, even where it would not list its cards."""

    driver: str | None = None
    cuda: str | None = None  # newest CUDA the driver announces, "12.4"
    gpus: tuple[Gpu, ...] = ()  # MIG slices stand in place of the card they were cut from
    notes: tuple[str, ...] = ()
    driver_present: bool = False


def read(library: Any = None) -> Reading:
    """Everything NVML tells about this machine. `library`: the module to ask (default: nvidia-ml-py's `pynvml`)."""
    try:
        library = library or importlib.import_module("pynvml")
    except Exception:  # a broken installation may raise anything while it is imported
        return Reading(notes=(NO_READER,))
    try:
        library.nvmlInit()
    except Exception as error:
        return not_started(error)
    try:
        return _read_started(library)
    except Exception as error:
        return Reading(notes=(PROBLEM + f"it broke off ({_one_line(error)}).",), driver_present=True)
    finally:
        ask(library, "nvmlShutdown")


def not_started(error: Exception) -> Reading:
    """The reading of a machine whose NVML refused to start, with what to do about it."""
    code = getattr(error, "value", None)
    known = _START_PROBLEMS.get(code) if isinstance(code, int) else None
    text = known or f"it did not start ({_one_line(error)}). Run `nvidia-smi`; if that fails too, reinstall the driver."
    return Reading(notes=(PROBLEM + text,), driver_present=isinstance(code, int) and code not in _NO_PROOF_OF_CARD)


def ask(library: Any, function: str, *arguments: Any) -> Any:
    """The answer of one call, or None for whatever went wrong (not supported, no such function, no permission)."""
    try:
        return getattr(library, function)(*arguments)
    except Exception:
        return None


def normal_bus_id(text: str | None) -> str | None:
    """`0000:01:00.0` for NVML's `00000000:01:00.0` and torch's `0000:01:00`; None if it is no PCI bus id."""
    found = re.fullmatch(
        r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})(?:\.([0-7]))?", (text or "").strip().lower()
    )
    if not found:
        return None
    domain, bus, device, function = found.groups()
    return f"{int(domain or '0', 16):04x}:{bus}:{device}.{function or '0'}"


def pci_pair(number: int | None) -> str | None:
    """`10de:2182` for 0x218210DE: NVML packs the vendor into the low half."""
    return f"{number & 0xFFFF:04x}:{number >> 16:04x}" if number else None


def cuda_version(number: int | None) -> str | None:
    """`12.4` for 12040: NVML says 1000 * major + 10 * minor."""
    return f"{number // 1000}.{number % 1000 // 10}" if number else None


def throttle_words(bits: int | None) -> tuple[str, ...]:
    """What holds the clock back, in words; a bit that no version of NVML documents is named by its number."""
    if not bits:
        return ()
    known = tuple(word for bit, word in _THROTTLE_BITS if bits & bit)
    rest = bits & ~sum(bit for bit, _ in _THROTTLE_BITS) & ~0x1
    return known + ((f"reason {rest:#x}",) if rest else ())


def split_mig_name(name: str) -> tuple[str, str | None]:
    """("NVIDIA H100 PCIe", "1g.10gb") for "NVIDIA H100 PCIe MIG 1g.10gb"; the profile is None for a whole card."""
    card, mark, profile = name.partition(" MIG ")
    return (card, profile.split()[0]) if mark and profile.split() else (name, None)


def _read_started(library: Any) -> Reading:
    driver = _text(ask(library, "nvmlSystemGetDriverVersion"))
    cuda = ask(library, "nvmlSystemGetCudaDriverVersion_v2") or ask(library, "nvmlSystemGetCudaDriverVersion")
    gpus: list[Gpu] = []
    notes: list[str] = []
    for index in range(ask(library, "nvmlDeviceGetCount") or 0):
        found, note = _device(library, index)
        gpus.extend(found)
        notes.extend(note)
    if not gpus and not notes:
        notes.append(NO_DEVICE)
    return Reading(driver, cuda_version(cuda), tuple(gpus), tuple(notes), driver_present=True)


def _device(library: Any, index: int) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    try:
        handle = library.nvmlDeviceGetHandleByIndex(index)
    except Exception as error:
        advice = _START_PROBLEMS.get(getattr(error, "value", None) or 0, "Run `nvidia-smi` to see why.")
        return (), (PROBLEM + f"GPU {index} does not answer ({_one_line(error)}): {advice}",)
    card = _card(library, handle)
    if not _is_split(library, handle):
        return (card,), ()
    slices = tuple(_slice(library, mig, card) for mig in _mig_handles(library, handle))
    if slices:
        return slices, ()
    return (card,), (
        f"GPU {index} ({card.name}) is in MIG mode but has no slices, so CUDA cannot use it: create slices, or run "
        f"`nvidia-smi -i {index} -mig 0`.",
    )


def _card(library: Any, handle: Any) -> Gpu:
    pci = ask(library, "nvmlDeviceGetPciInfo", handle)
    remapped, remapping = _row_remapping(library, handle)
    return Gpu(
        name=_text(ask(library, "nvmlDeviceGetName", handle)) or NAMELESS,
        pci_id=pci_pair(getattr(pci, "pciDeviceId", None)),
        pci_subsystem=pci_pair(getattr(pci, "pciSubSystemId", None)),
        compute_capability=_capability(ask(library, "nvmlDeviceGetCudaComputeCapability", handle)),
        vram_bytes=_memory(library, handle),
        ecc_uncorrected=ask(library, "nvmlDeviceGetTotalEccErrors", handle, _ECC_UNCORRECTED, _ECC_VOLATILE),
        retired_pages=_retired_pages(library, handle),
        remapped_rows=remapped,
        row_remapping=remapping,
        temperature_c=_temperature(library, handle),
        sm_clock_mhz=ask(library, "nvmlDeviceGetClockInfo", handle, _CLOCK_SM),
        sm_clock_max_mhz=ask(library, "nvmlDeviceGetMaxClockInfo", handle, _CLOCK_SM),
        throttle_reasons=throttle_words(_throttle_bits(library, handle)),
        other_processes=_other_processes(library, handle),
        pci_bus_id=normal_bus_id(_text(getattr(pci, "busId", None))),
    )


def _retired_pages(library: Any, handle: Any) -> int | None:
    """Pages of memory taken out of use (https://docs.nvidia.com/deploy/dynamic-page-retirement/)."""
    found = [ask(library, "nvmlDeviceGetRetiredPages", handle, cause) for cause in _RETIREMENT_CAUSES]
    known = [len(pages) for pages in found if pages is not None]
    return sum(known) if known else None


def _row_remapping(library: Any, handle: Any) -> tuple[int | None, str | None]:
    """(rows replaced after uncorrectable errors, how remapping stands); a failure in the past outweighs a pending one.

    https://docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt/
    """
    found = ask(library, "nvmlDeviceGetRemappedRows", handle)  # (correctable, uncorrectable, pending, failed)
    if not found:
        return None, None
    _, uncorrectable, pending, failed = found
    return uncorrectable, "failed" if failed else "pending" if pending else "ok"


def _is_split(library: Any, handle: Any) -> bool:
    mode = ask(library, "nvmlDeviceGetMigMode", handle)  # [current, pending]
    return bool(mode) and mode[0] == _MIG_ON


def _mig_handles(library: Any, handle: Any) -> Iterator[Any]:
    for slot in range(ask(library, "nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
        mig = ask(library, "nvmlDeviceGetMigDeviceHandleByIndex", handle, slot)
        if mig is not None:  # slots are sparse: an unused one answers NOT_FOUND
            yield mig


def _slice(library: Any, mig: Any, card: Gpu) -> Gpu:
    """The card's facts with the slice's own profile, memory and processes."""
    attributes = ask(library, "nvmlDeviceGetAttributes", mig)
    _, profile = split_mig_name(_text(ask(library, "nvmlDeviceGetName", mig)) or "")
    if not profile:  # gigabytes in a profile's name do not follow from its memory (1g.18gb has 16 GiB): leave them out
        slices = getattr(attributes, "gpuInstanceSliceCount", None)
        profile = f"{slices}g" if slices else "unknown"
    megabytes = getattr(attributes, "memorySizeMB", None)
    memory = _memory(library, mig) or (megabytes * _MIB if megabytes else None)
    return replace(card, mig_profile=profile, vram_bytes=memory, other_processes=_other_processes(library, mig))


def _memory(library: Any, handle: Any) -> int | None:
    # Version 1 of the call: every driver has it, and version 2 only splits `reserved` off `used`.
    return getattr(ask(library, "nvmlDeviceGetMemoryInfo", handle), "total", None) or None


def _temperature(library: Any, handle: Any) -> int | None:
    old = ask(library, "nvmlDeviceGetTemperature", handle, _SENSOR_GPU)  # announced to go with CUDA 14
    new: int | None = ask(library, "nvmlDeviceGetTemperatureV", handle, _SENSOR_GPU) if old is None else old
    return new


def conditions(library: Any, handle: Any) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """({temperature: C, sm_clock: MHz, power: W} of this moment, what holds the clock back)."""
    milliwatts = ask(library, "nvmlDeviceGetPowerUsage", handle)
    seen = {
        "temperature": _temperature(library, handle),
        "sm_clock": ask(library, "nvmlDeviceGetClockInfo", handle, _CLOCK_SM),
        "power": milliwatts / 1000 if milliwatts is not None else None,
    }
    return seen, throttle_words(_throttle_bits(library, handle))


def _throttle_bits(library: Any, handle: Any) -> int | None:
    bits = ask(library, "nvmlDeviceGetCurrentClocksEventReasons", handle)  # since 535; before, it was called throttle
    old: int | None = ask(library, "nvmlDeviceGetCurrentClocksThrottleReasons", handle) if bits is None else bits
    return old


def _other_processes(library: Any, handle: Any) -> int | None:
    lists = [_processes(library, kind, handle) for kind in ("Compute", "Graphics")]
    if all(pids is None for pids in lists):
        return None
    return len(frozenset().union(*(pids or () for pids in lists)) - {os.getpid()})


def _processes(library: Any, kind: str, handle: Any) -> frozenset[int] | None:
    for version in ("_v3", "_v2", ""):  # _v3 since 510, _v2 since 450
        found = ask(library, f"nvmlDeviceGet{kind}RunningProcesses{version}", handle)
        if found is not None:
            return frozenset(process.pid for process in found)
    return None


def _capability(pair: Any) -> str | None:
    return f"{pair[0]}.{pair[1]}" if pair and pair[0] > 0 else None


def _text(value: Any) -> str | None:
    # Readers before 11.5 answer bytes.
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return str(text).strip() or None if text is not None else None


def _one_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0].rstrip(".")[:120] if lines else type(error).__name__
