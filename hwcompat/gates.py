"""The four gates between a torch wheel and a machine. Pure: what wheels and toolkits need stands in the tables.

In the order in which a user would meet their failures: a wheel exists for the OS, CPU and Python; the driver loads the
CUDA runtime inside it; it holds a kernel for the card; PTX, where a wheel really has some and the driver accepts it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from hwcompat.knownfaults import faults_for
from hwcompat.model import Build, Gpu, ToolkitDriver
from hwcompat.tablerows import cuda_version, version_key
from hwcompat.tables import Tables

_TAG_PREFIX = {"nvidia": "cu", "amd": "rocm", "apple": "cpu"}
_TRUST = ("yes", "inferred", "no")
_MPS_SINCE = (1, 12)  # https://pytorch.org/blog/introducing-accelerated-pytorch-training-on-mac/
# From CUDA 13.2 on, torch no longer keeps server kernels from these Jetsons: DEVICE_REQUIREMENT_POST_JETSON_SBSA_
# UNIFICATION in torch/cuda/__init__.py of torch 2.15.0.
_JETSON_UNIFIED_SINCE = (13, 2)
_JETSON_UNIFIED = ("7.2", "8.7")


@dataclass(frozen=True)
class Machine:
    """What a build must serve: every one of `gpus` (none: the CPU) under this driver, system and Python."""

    gpus: tuple[Gpu, ...]
    driver: str | None
    os: str
    arch: str
    python: str  # "3.11"
    wsl: bool
    tables: Tables

    @property
    def driver_os(self) -> str:
        """Whose driver numbers count: under WSL the driver is the one of the Windows host."""
        return "windows" if self.wsl else self.os

    @cached_property
    def prefixes(self) -> frozenset[str]:
        """How the tags of builds for its accelerators begin."""
        return frozenset(_TAG_PREFIX.get(gpu.vendor, "none") for gpu in self.gpus) or frozenset({"cpu"})


class Checked(NamedTuple):
    """A build and what the gates say: `refusal` empty means it passes, `trust` how sure that is."""

    build: Build
    refusal: str
    because: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    trust: str = "yes"
    avoid: str = ""  # why it is a last resort although it passes

    @property
    def name(self) -> str:
        return f"{self.build.torch}+{self.build.tag}"

    @property
    def order(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return build_order(self.build)

    @property
    def rank(self) -> tuple[int, bool, tuple[int, ...], tuple[int, ...]]:
        """Higher is better: confirmed, without a fault worth avoiding, newest torch, newest CUDA."""
        return (-_TRUST.index(self.trust), not self.avoid, *self.order)

    @property
    def is_unbeatable(self) -> bool:
        """Nothing older can rank higher."""
        return self.trust == _TRUST[0] and not self.avoid


def build_order(build: Build) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Newer is higher: torch first, then the tag."""
    return version_key(build.torch), tag_key(build.tag)


@lru_cache(maxsize=1024)
def tag_key(tag: str) -> tuple[int, ...]:
    """Order of tags of one maker: "cu132" after "cu126", "rocm7.2" after "rocm6.4"."""
    return version_key(cuda_version(tag) or re.sub(r"^\D*", "", tag))


# --- gate 1: a wheel exists -------------------------------------------------------------------------------------------


def candidates(machine: Machine) -> tuple[Build, ...]:
    """The builds of the tables for this system, processor and maker of accelerators, newest first."""
    return _candidates(machine.tables, machine.os, machine.arch, machine.prefixes)


@lru_cache(maxsize=64)
def _candidates(tables: Tables, os: str, arch: str, prefixes: frozenset[str]) -> tuple[Build, ...]:
    fitting = (build for build in tables.builds if build.os == os and build.arch == arch and _is_made(build, prefixes))
    return tuple(sorted(fitting, key=build_order, reverse=True))


def is_for(build: Build, machine: Machine) -> bool:
    """Same OS, CPU and maker of accelerator; only Python and the gates behind it give reasons worth showing."""
    return (build.os, build.arch) == (machine.os, machine.arch) and _is_made(build, machine.prefixes)


def _is_made(build: Build, prefixes: frozenset[str]) -> bool:
    return all(build.tag.startswith(prefix) for prefix in prefixes)


def check(build: Build, machine: Machine) -> Checked:
    """`build` through all gates. A missing wheel ends it; driver and kernel are both told, since a newer driver brings
    no kernel. Of several cards the first refused one is named."""
    no_wheel = python_refusal(build, machine.python)
    if no_wheel:
        return Checked(build, no_wheel)
    driver = driver_refusal(build, machine)
    for gpu in machine.gpus:
        kernel = kernel_refusal(build, gpu, machine)
        if kernel:
            return Checked(build, f"{driver}; {kernel}" if driver else kernel)
    if driver:
        return Checked(build, driver)
    passed = _with_driver(Checked(build, "", trust=build.verified), machine)
    return _with_doubts(_with_kernels(passed, machine), machine)


def python_refusal(build: Build, python: str) -> str:
    """Why there is no wheel of `build` for that Python; "" if there is one."""
    if version_key(build.python_min) <= version_key(python) <= version_key(build.python_max):
        return ""
    return f"no wheel for Python {python} ({build.python_min} to {build.python_max})"


# --- gate 2: the driver -----------------------------------------------------------------------------------------------


def driver_floor(build: Build, machine: Machine) -> str:
    """The least driver that loads the CUDA runtime of `build` here; "" if the tables do not say."""
    return _floor(build.tag, machine.driver_os, machine.tables)[0]


@lru_cache(maxsize=1024)
def _floor(tag: str, driver_os: str, tables: Tables) -> tuple[str, str]:
    """The least driver for a tag, and whose floor that is: per CUDA major since CUDA 11 (minor-version compatibility),
    per toolkit before."""
    cuda = cuda_version(tag) if tag.startswith("cu") else ""
    scope = cuda.split(".")[0] + ".x" if version_key(cuda) >= (11,) else cuda
    whose = f"CUDA {scope} on {driver_os.capitalize()}"
    toolkit = _toolkit(cuda, tables) if cuda else None
    if toolkit is None:
        return "", whose
    if driver_os == "windows":
        return toolkit.floor_windows or toolkit.toolkit_windows, whose
    return toolkit.floor_linux or toolkit.toolkit_linux, whose


def driver_refusal(build: Build, machine: Machine) -> str:
    """Why the driver does not load the runtime of `build`; "" if it does, or nobody can tell."""
    if machine.driver is None or not machine.gpus or not build.tag.startswith("cu"):
        return ""
    floor, whose = _floor(build.tag, machine.driver_os, machine.tables)
    too_old = bool(floor) and version_key(machine.driver) < version_key(floor)
    return f"driver {machine.driver} < {floor}, the floor of {whose}" if too_old else ""


def _with_driver(state: Checked, machine: Machine) -> Checked:
    """The reason why the driver will do, or what could not be compared."""
    if state.build.tag.startswith("rocm"):
        return state._replace(because=(*state.because, "no table says which amdgpu driver it needs: not checked"))
    if not machine.gpus or not state.build.tag.startswith("cu"):
        return state
    floor, whose = _floor(state.build.tag, machine.driver_os, machine.tables)
    if not floor:
        return _doubt(state, f"the driver that {whose} needs is in no table")
    if machine.driver is None:
        warning = f"the driver is unknown; {state.name} needs {floor} or newer, the floor of {whose}"
        return state._replace(warnings=(*state.warnings, warning))
    return state._replace(because=(*state.because, f"driver {machine.driver} >= {floor}, the floor of {whose}"))


@lru_cache(maxsize=1024)
def _toolkit(cuda: str, tables: Tables) -> ToolkitDriver | None:
    """The newest patch of the toolkit; of several the most demanding, since the tag does not tell which was used."""
    same = [each for each in tables.drivers if f"{each.cuda}.".startswith(f"{cuda}.")]
    return max(same, key=lambda each: version_key(each.cuda), default=None)


# --- gates 3 and 4: kernels and PTX -----------------------------------------------------------------------------------


class _Kernel(NamedTuple):
    """What of a build runs on a card: a cubin, else PTX, else (nobody read its list) perhaps something."""

    cubin: str = ""
    ptx: str = ""
    unread: bool = False


def kernel_refusal(build: Build, gpu: Gpu, machine: Machine) -> str:
    """Why nothing in `build` runs on `gpu`; "" if something does."""
    capability = gpu.compute_capability
    if gpu.vendor == "apple":
        too_old = machine.os != "macos" or version_key(build.torch) < _MPS_SINCE
        return "MPS needs macOS and torch 1.12 or newer" if too_old else ""
    if not capability:
        return f"the compute capability of {gpu.name} is unknown"
    if machine.driver is None and is_jetson(capability, machine.tables):
        return "a Jetson needs NVIDIA's own builds, unless its driver is known"
    if build.archs and serving_kernel(build, capability, machine.tables):
        return ""
    found = _kernel(build, capability, machine)
    if found.unread and not _relative_serves(_family(build), capability, machine.tables):
        return f"no kernel for {capability} in any wheel of its kind whose list is known"
    return "" if any(found) else f"no kernel for {capability}"


def _with_kernels(state: Checked, machine: Machine) -> Checked:
    """The reasons why it runs on every card; a doubt where nobody has read its list."""
    build = state.build
    reasons: list[str] = []
    for gpu in machine.gpus:
        found = _kernel(build, gpu.compute_capability or "", machine)
        if gpu.vendor == "apple":
            reasons.append("every macOS build since torch 1.12 has MPS")
        elif found.unread:
            state = _doubt(state, f"nobody has read which kernels {state.name} holds")
        elif found.cubin:
            reasons.append(f"kernel {found.cubin} in the wheel serves {gpu.compute_capability} ({origin(build)})")
        else:
            reasons.append(f"PTX of {found.ptx} in the wheel is compiled for {gpu.compute_capability}")
    return state._replace(because=tuple(dict.fromkeys((*state.because, *reasons))))


def _kernel(build: Build, capability: str, machine: Machine) -> _Kernel:
    if not build.archs:
        return _Kernel(unread=True)
    cubin = serving_kernel(build, capability, machine.tables)
    ptx = _serving_ptx(build, capability, machine) if build.ptx and not cubin else ""
    return _Kernel(cubin, ptx)


def origin(build: Build) -> str:
    """The first source of a row, as a remark in brackets."""
    first = re.match(r"(?:\([^)]*\)|[^;(])*", build.source)
    return "source: " + (first[0].strip() if first else build.source)


@lru_cache(maxsize=4096)
def _relative_serves(family: tuple[str, str, str], capability: str, tables: Tables) -> bool:
    """Whether a wheel of that kind whose list is known has a kernel: what none of them has is not to be hoped for."""
    relatives = (build for build in tables.builds if build.archs and _family(build) == family)
    return any(serving_kernel(build, capability, tables) for build in relatives)


def _family(build: Build) -> tuple[str, str, str]:
    """Wheels that are alike in what they leave out: same system, same CUDA major (ROCm: any)."""
    return build.os, build.arch, cuda_version(build.tag).split(".")[0]


def _doubt(state: Checked, warning: str) -> Checked:
    return state._replace(trust="no", warnings=tuple(dict.fromkeys((*state.warnings, warning))))


def serving_kernel(build: Build, capability: str, tables: Tables) -> str:
    """The cubin of `build` that runs on `capability`, "" if none: same major, minor not above the card's.

    A Jetson runs only its own cubin (before CUDA 13.2), an `a` target ("sm_90a") only the exact card. For AMD the names
    must be equal. https://docs.nvidia.com/cuda/blackwell-compatibility-guide/
    """
    return _serving_cubin(build.archs, build.tag, capability, tables)


@lru_cache(maxsize=8192)
def _serving_cubin(archs: tuple[str, ...], tag: str, capability: str, tables: Tables) -> str:
    if capability.startswith("gfx"):
        return capability if capability in archs else ""
    wanted = _sm_key("sm_" + capability.replace(".", ""))
    exact_only = is_jetson(capability, tables) and not _is_unified(tag, capability)
    usable = [
        arch
        for arch in archs
        if _sm_key(arch) == wanted
        or (not exact_only and arch[-1:].isdigit() and _sm_key(arch)[0] == wanted[0] and _sm_key(arch) < wanted)
    ]
    return max(usable, key=_sm_key, default="")


@lru_cache(maxsize=1024)
def _sm_key(arch: str) -> tuple[float, int]:
    """(7, 5) of "sm_75"; what names no capability ("native") serves no card: it compares as newer than all."""
    digits = re.sub(r"\D", "", arch)
    return (int(digits[:-1]), int(digits[-1])) if len(digits) > 1 else (math.inf, 0)


def is_jetson(capability: str, tables: Tables) -> bool:
    """Whether only modules have it, which server wheels are not for."""
    return capability in tables.card_index.jetson


def _is_unified(tag: str, capability: str) -> bool:
    return capability in _JETSON_UNIFIED and version_key(cuda_version(tag)) >= _JETSON_UNIFIED_SINCE


def _serving_ptx(build: Build, capability: str, machine: Machine) -> str:
    """PTX is compiled by the driver, which must be as new as the toolkit: minor-version compatibility leaves it out.
    That of an `a` target is for the exact card only.

    https://github.com/NVIDIA/nvbandwidth/issues/61
    """
    toolkit = _toolkit(cuda_version(build.tag), machine.tables)
    if toolkit is None or machine.driver is None or not capability[0].isdigit():
        return ""
    needed = toolkit.toolkit_windows if machine.driver_os == "windows" else toolkit.toolkit_linux
    if not needed or version_key(machine.driver) < version_key(needed):
        return ""
    card = _sm_key("sm_" + capability.replace(".", ""))
    usable = (arch for arch in build.ptx if _sm_key(arch) == card or (arch[-1:].isdigit() and _sm_key(arch) < card))
    return max(usable, key=_sm_key, default="")


# --- doubts -----------------------------------------------------------------------------------------------------------


def _with_doubts(state: Checked, machine: Machine) -> Checked:
    build = state.build
    faults = [
        fault
        for gpu in machine.gpus
        for fault in faults_for(
            gpu,
            torch=build.torch,
            cuda=build.tag,
            cudnn=build.cudnn,
            os=machine.os,
            tables=machine.tables,
            effect="avoid",
        )
    ]
    warnings = state.warnings
    if build.verified != "yes":
        warnings += (f"{state.name} is not confirmed ({build.verified}): {build.source}",)
    if faults:
        warnings += tuple(dict.fromkeys(f"{fault.title}: {fault.workaround}" for fault in faults))
    return state._replace(warnings=warnings, avoid=f"known fault {faults[0].id}" if faults else "")
