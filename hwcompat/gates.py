"""The four gates between a torch wheel and a machine. Pure: what wheels and toolkits need stands in the tables.

In the order in which a user would meet their failures: a wheel exists for the OS, CPU and Python; the driver loads the
CUDA runtime inside it; it holds a kernel for the card; PTX, where a wheel really has some and the driver accepts it.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from hwcompat.model import Build, Gpu, ToolkitDriver
from hwcompat.tablerows import cuda_version, version_key
from hwcompat.tables import Tables, faults_for

_TAG_PREFIX = {"nvidia": "cu", "amd": "rocm", "apple": "cpu"}
_TRUST = ("yes", "inferred", "no")
_MPS_SINCE = (1, 12)  # https://pytorch.org/blog/introducing-accelerated-pytorch-training-on-mac/
# From CUDA 13.2 on, torch no longer keeps server kernels from these Jetsons: DEVICE_REQUIREMENT_POST_JETSON_SBSA_
# UNIFICATION in torch/cuda/__init__.py of torch 2.15.0.
_JETSON_UNIFIED_SINCE = (13, 2)
_JETSON_UNIFIED = ("7.2", "8.7")


class Machine(NamedTuple):
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


class Checked(NamedTuple):
    """A build and what the gates say: `refusal` empty means it passes, `trust` how sure that is."""

    build: Build
    refusal: str
    because: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    trust: str = "yes"
    avoid: str = ""

    @property
    def name(self) -> str:
        return f"{self.build.torch}+{self.build.tag}"

    @property
    def rank(self) -> tuple[int, bool, tuple[int, ...], tuple[int, ...]]:
        """Higher is better: confirmed, without a fault worth avoiding, newest torch, newest CUDA."""
        return (-_TRUST.index(self.trust), not self.avoid, version_key(self.build.torch), tag_key(self.build.tag))


def is_for(build: Build, machine: Machine) -> bool:
    """Same OS, CPU and maker of accelerator; only Python and the gates behind it give reasons worth showing."""
    prefixes = {_TAG_PREFIX.get(gpu.vendor, "none") for gpu in machine.gpus} or {"cpu"}
    return (build.os, build.arch) == (machine.os, machine.arch) and all(build.tag.startswith(p) for p in prefixes)


def check(build: Build, machine: Machine) -> Checked:
    """`build` through all gates. A missing wheel ends it; driver and kernel are both told, since a newer driver brings
    no kernel. Of several cards the first refused one is named."""
    state = Checked(build, _python_refusal(build, machine.python), trust=build.verified)
    if state.refusal:
        return state
    if build.tag.startswith("cu"):
        state = _check_driver(state, machine)
    for gpu in machine.gpus:
        driver = state.refusal
        state = _check_kernel(state._replace(refusal=""), gpu, machine)
        refusal = "; ".join(reason for reason in (driver, state.refusal) if reason)
        state = state._replace(refusal=refusal)
        if refusal != driver:
            break
    return state if state.refusal else _with_doubts(state, machine)


def _python_refusal(build: Build, python: str) -> str:
    if version_key(build.python_min) <= version_key(python) <= version_key(build.python_max):
        return ""
    return f"no wheel for Python {python} ({build.python_min} to {build.python_max})"


def driver_floor(build: Build, machine: Machine) -> str:
    """The least driver that loads the CUDA runtime of `build` here; "" if the tables do not say."""
    toolkit = _toolkit(cuda_version(build.tag), machine.tables) if build.tag.startswith("cu") else None
    if toolkit is None:
        return ""
    if machine.driver_os == "windows":
        return toolkit.floor_windows or toolkit.toolkit_windows
    return toolkit.floor_linux or toolkit.toolkit_linux


def _check_driver(state: Checked, machine: Machine) -> Checked:
    """The floor is per CUDA major since CUDA 11 (minor-version compatibility), per toolkit before."""
    floor = driver_floor(state.build, machine)
    whose = f"CUDA {_floor_scope(cuda_version(state.build.tag))} on {machine.driver_os.capitalize()}"
    if not floor:
        return _doubt(state, f"the driver that {whose} needs is in no table")
    if machine.driver is None:
        warning = f"the driver is unknown; {state.name} needs {floor} or newer, the floor of {whose}"
        return state._replace(warnings=(*state.warnings, warning))
    if version_key(machine.driver) < version_key(floor):
        return state._replace(refusal=f"driver {machine.driver} < {floor}, the floor of {whose}")
    reason = f"driver {machine.driver} >= {floor}, the floor of {whose}"
    return state._replace(because=(*state.because, reason))


def _floor_scope(cuda: str) -> str:
    return f"{cuda.split('.')[0]}.x" if version_key(cuda) >= (11,) else cuda


def _toolkit(cuda: str, tables: Tables) -> ToolkitDriver | None:
    """The newest patch of the toolkit; of several the most demanding, since the tag does not tell which was used."""
    same = [each for each in tables.drivers if f"{each.cuda}.".startswith(f"{cuda}.")]
    return max(same, key=lambda each: version_key(each.cuda), default=None)


def _check_kernel(state: Checked, gpu: Gpu, machine: Machine) -> Checked:
    build, capability = state.build, gpu.compute_capability
    if gpu.vendor == "apple":
        return _check_mps(state, machine)
    if not capability:
        return state._replace(refusal=f"the compute capability of {gpu.name} is unknown")
    if _is_jetson(capability, machine.tables) and machine.driver is None:
        return state._replace(refusal="a Jetson needs NVIDIA's own builds, unless its driver is known")
    if not build.archs:
        return _check_unknown_kernels(state, capability, machine.tables)
    kernel = serving_kernel(build, capability, machine.tables)
    if kernel:
        verb = f"kernel {kernel} in the wheel serves {capability}"
        return state._replace(because=tuple(dict.fromkeys((*state.because, f"{verb} ({origin(build)})"))))
    ptx = _serving_ptx(build, capability, machine)
    if ptx:
        return state._replace(because=(*state.because, f"PTX of {ptx} in the wheel is compiled for {capability}"))
    return state._replace(refusal=f"no kernel for {capability}")


def _check_mps(state: Checked, machine: Machine) -> Checked:
    if machine.os != "macos" or version_key(state.build.torch) < _MPS_SINCE:
        return state._replace(refusal="MPS needs macOS and torch 1.12 or newer")
    return state._replace(because=(*state.because, "every macOS build since torch 1.12 has MPS"))


def origin(build: Build) -> str:
    """The first source of a row, as a remark in brackets."""
    first = re.match(r"(?:\([^)]*\)|[^;(])*", build.source)
    return "source: " + (first[0].strip() if first else build.source)


def _check_unknown_kernels(state: Checked, capability: str, tables: Tables) -> Checked:
    """No list was read: doubt it, and refuse what no wheel of that system and CUDA major is known to serve."""
    build = state.build
    relatives = (other for other in tables.builds if other.archs and _family(other) == _family(build))
    if not any(serving_kernel(other, capability, tables) for other in relatives):
        return state._replace(refusal=f"no kernel for {capability} in any wheel of its kind whose list is known")
    return _doubt(state, f"nobody has read which kernels {state.name} holds")


def _family(build: Build) -> tuple[str, str, str]:
    """Wheels that are alike in what they leave out: same system, same CUDA major (ROCm: any)."""
    return build.os, build.arch, cuda_version(build.tag).split(".")[0]


def _doubt(state: Checked, warning: str) -> Checked:
    return state._replace(trust="no", warnings=(*state.warnings, warning))


def serving_kernel(build: Build, capability: str, tables: Tables) -> str:
    """The cubin of `build` that runs on `capability`, "" if none: same major, minor not above the card's.

    A Jetson runs only its own cubin (before CUDA 13.2), an `a` target ("sm_90a") only the exact card. For AMD the names
    must be equal. https://docs.nvidia.com/cuda/blackwell-compatibility-guide/
    """
    if capability.startswith("gfx"):
        return capability if capability in build.archs else ""
    wanted = _sm_key("sm_" + capability.replace(".", ""))
    exact_only = _is_jetson(capability, tables) and not _is_unified(build, capability)
    usable = [
        arch
        for arch in build.archs
        if _sm_key(arch) == wanted
        or (not exact_only and arch[-1:].isdigit() and _sm_key(arch)[0] == wanted[0] and _sm_key(arch) < wanted)
    ]
    return max(usable, key=_sm_key, default="")


def _sm_key(arch: str) -> tuple[float, int]:
    """(7, 5) of "sm_75"; what names no capability ("native") serves no card: it compares as newer than all."""
    digits = re.sub(r"\D", "", arch)
    return (int(digits[:-1]), int(digits[-1])) if len(digits) > 1 else (math.inf, 0)


def _is_jetson(capability: str, tables: Tables) -> bool:
    return capability in tables.card_index.jetson


def _is_unified(build: Build, capability: str) -> bool:
    return capability in _JETSON_UNIFIED and version_key(cuda_version(build.tag)) >= _JETSON_UNIFIED_SINCE


def _serving_ptx(build: Build, capability: str, machine: Machine) -> str:
    """PTX is compiled by the driver, which must be as new as the toolkit: minor-version compatibility leaves it out.

    https://github.com/NVIDIA/nvbandwidth/issues/61
    """
    toolkit = _toolkit(cuda_version(build.tag), machine.tables) if build.ptx else None
    if toolkit is None or machine.driver is None or not capability[0].isdigit():
        return ""
    needed = toolkit.toolkit_windows if machine.driver_os == "windows" else toolkit.toolkit_linux
    if not needed or version_key(machine.driver) < version_key(needed):
        return ""
    card = _sm_key("sm_" + capability.replace(".", ""))
    return max((arch for arch in build.ptx if _sm_key(arch) <= card), key=_sm_key, default="")


def _with_doubts(state: Checked, machine: Machine) -> Checked:
    build = state.build
    faults = [
        fault
        for gpu in machine.gpus
        for fault in faults_for(
            gpu, torch=build.torch, cuda=build.tag, cudnn=build.cudnn, os=machine.os, tables=machine.tables
        )
        if fault.effect == "avoid"
    ]
    warnings = state.warnings
    if build.verified != "yes":
        warnings += (f"{state.name} is not confirmed ({build.verified}): {build.source}",)
    if faults:
        warnings += tuple(dict.fromkeys(f"{fault.title}: {fault.workaround}" for fault in faults))
    return state._replace(warnings=warnings, avoid=faults[0].id if faults else "")


def tag_key(tag: str) -> tuple[int, ...]:
    """Order of tags of one maker: "cu132" after "cu126", "rocm7.2" after "rocm6.4"."""
    return version_key(cuda_version(tag) or re.sub(r"^\D*", "", tag))
