"""What the operating system tells about a machine: its kind and version, processor, memory, cards on the PCI bus.

Reading and parsing are apart: `read` gathers texts, the `parse` functions are pure. No host or user name is read.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PCI_ROOT = Path("/sys/bus/pci/devices")
_SYSTEMS = {"linux": "linux", "windows": "windows", "darwin": "macos"}
_ARCHS = {"amd64": "x86_64", "x64": "x86_64", "x86_64": "x86_64", "aarch64": "aarch64", "arm64": "arm64"}
_DISPLAY_CLASS = "0x03"  # https://pcisig.com/specifications: base class 03h, display controller
_ASIDE = "vfio-pci"  # a card bound to it belongs to a virtual machine, not to this system


@dataclass(frozen=True)
class PciDevice:
    """A display controller on the PCI bus."""

    bus_id: str  # "0000:01:00.0": private
    pci_id: str  # "10de:2182"
    subsystem: str | None = None


@dataclass(frozen=True)
class SystemFacts:
    """What the operating system says, whatever drivers and torch say."""

    os: str  # linux windows macos
    arch: str  # x86_64 aarch64 arm64
    os_version: str | None = None
    wsl: bool = False
    cpu: str | None = None
    cpu_count: int | None = None
    memory_bytes: int | None = None
    displays: tuple[PciDevice, ...] = ()
    jetson: str | None = None  # the board's name: its GPU is on no PCI bus and NVML may be missing


def read() -> SystemFacts:
    """The facts of the machine this runs on. What cannot be read is None or empty."""
    system = normal_os(platform.system())
    return SystemFacts(
        os=system,
        arch=normal_arch(platform.machine(), system),
        os_version=attempt(lambda: _os_version(system), None),
        wsl=is_wsl(system, platform.release()),
        cpu=attempt(lambda: _cpu(system), None),
        cpu_count=os.cpu_count(),
        memory_bytes=attempt(lambda: _memory(system), None),
        displays=attempt(lambda: read_displays(PCI_ROOT), ()),
        jetson=attempt(lambda: jetson_model(Path("/proc/device-tree/model").read_bytes()), None),
    )


def attempt(reader: Callable[[], T], otherwise: T) -> T:
    """What `reader` returns, or `otherwise` if it raises."""
    try:
        return reader()
    except Exception:  # a fact nobody can read is unknown, whatever the reason
        return otherwise


def normal_os(name: str) -> str:
    """`linux`, `windows`, `macos` for what `platform.system()` says; others in lower case."""
    return _SYSTEMS.get(name.lower(), name.lower())


def normal_arch(machine: str, system: str) -> str:
    """`x86_64`, `aarch64` (64-bit Arm on Linux), `arm64` (on macOS and Windows); others in lower case."""
    arch = _ARCHS.get(machine.lower(), machine.lower())
    if arch in ("aarch64", "arm64"):
        return "aarch64" if system == "linux" else "arm64"
    return arch


def is_wsl(system: str, release: str) -> bool:
    """True in the Windows Subsystem for Linux: Microsoft names itself in the kernel's release."""
    return system == "linux" and "microsoft" in release.lower()


def parse_cpuinfo(text: str) -> str | None:
    """The processor's name in /proc/cpuinfo; on Arm, which gives none, its implementer and part numbers."""
    fields = dict(reversed([_field(line) for line in text.splitlines() if ":" in line]))
    if fields.get("model name"):
        return " ".join(fields["model name"].split())
    if "CPU implementer" in fields and "CPU part" in fields:
        return f"Arm implementer {fields['CPU implementer']} part {fields['CPU part']}"
    return fields.get("Hardware") or None


def parse_meminfo(text: str) -> int | None:
    """MemTotal of /proc/meminfo in bytes."""
    found = re.search(r"^MemTotal:\s*(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


def jetson_model(device_tree: bytes) -> str | None:
    """The board's name if it is an NVIDIA Jetson (device trees end texts with a zero byte)."""
    model = device_tree.decode("utf-8", "replace").strip("\0 \n")
    return model if "jetson" in model.lower() else None


def read_displays(root: Path) -> tuple[PciDevice, ...]:
    """The display controllers under `root` (Linux: /sys/bus/pci/devices) in bus order; none where it is missing."""
    folders = sorted(root.iterdir()) if root.is_dir() else []
    found = (attempt(lambda folder=folder: _display(folder), None) for folder in folders)  # type: ignore[misc]
    return tuple(device for device in found if device)


def _display(folder: Path) -> PciDevice | None:
    if not _word(folder / "class").startswith(_DISPLAY_CLASS) or _driver(folder) == _ASIDE:
        return None
    pci_id = f"{_hex(folder / 'vendor')}:{_hex(folder / 'device')}"
    subsystem = attempt(lambda: f"{_hex(folder / 'subsystem_vendor')}:{_hex(folder / 'subsystem_device')}", None)
    return PciDevice(folder.name.lower(), pci_id, None if subsystem == "0000:0000" else subsystem)


def _driver(folder: Path) -> str:
    return attempt(lambda: (folder / "driver").readlink().name, "")


def _word(file: Path) -> str:
    return file.read_text(encoding="ascii").strip().lower()


def _hex(file: Path) -> str:
    return f"{int(_word(file), 16):04x}"


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _os_version(system: str) -> str | None:
    if system == "linux":
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    return (platform.mac_ver()[0] if system == "macos" else platform.version()) or None


def _cpu(system: str) -> str | None:
    if system == "linux":
        return parse_cpuinfo(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    return _sysctl("machdep.cpu.brand_string") if system == "macos" else _windows_cpu()


def _memory(system: str) -> int | None:
    if system == "linux":
        return parse_meminfo(Path("/proc/meminfo").read_text(encoding="utf-8"))
    if system == "macos":
        size = _sysctl("hw.memsize")
        return int(size) if size else None
    return _windows_memory()


def _sysctl(name: str) -> str | None:
    import subprocess

    answer = subprocess.run(["/usr/sbin/sysctl", "-n", name], capture_output=True, timeout=10, check=True)
    return answer.stdout.decode("utf-8", "replace").strip() or None


def _windows_cpu() -> str | None:
    if sys.platform != "win32":
        return None
    import winreg

    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
        return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip() or None


def _windows_memory() -> int | None:
    if sys.platform != "win32":
        return None
    import ctypes

    # GetPhysicallyInstalledSystemMemory fails under some hypervisors, so ask for what Windows can use:
    # https://learn.microsoft.com/windows/win32/api/sysinfoapi/ns-sysinfoapi-memorystatusex
    # dwLength, dwMemoryLoad, then seven 64-bit counters of which the first is the total.
    status = (ctypes.c_uint64 * 8)(64)
    return int(status[1]) if ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)) else None
