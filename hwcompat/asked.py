"""The words in which a machine and a torch version are asked for, understood or refused with the nearest valid ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from hwcompat.errors import NoBuildError, UsageError
from hwcompat.gates import Machine, tag_key
from hwcompat.model import Gpu
from hwcompat.tablerows import version_key
from hwcompat.tables import Tables

_ARCHS = {"linux": ("x86_64", "aarch64"), "windows": ("x86_64", "arm64"), "macos": ("arm64", "x86_64")}
_SAME_ARCH = {"amd64": "x86_64", "x64": "x86_64"}
# Real, but no index has a torch wheel for them: to ask is no mistake, and the answer is no.
_OTHER_SYSTEMS = (
    *("aix", "android", "cygwin", "dragonfly", "freebsd", "haiku", "illumos", "ios", "netbsd", "openbsd"),
    *("solaris", "sunos"),
)
_OTHER_ARCHS = (
    *("armv6l", "armv7l", "armv8l", "i386", "i586", "i686", "loongarch64", "mips64", "ppc64", "ppc64le", "riscv64"),
    *("s390x", "sparc64", "x86"),
)
_DRIVER = re.compile(r"\d{2,3}(\.\d{1,4}){0,2}")
_PYTHON = re.compile(r"(\d+)\.(\d{1,3})(\.\d+)?((a|b|rc)\d+)?\+?")
_WISH = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,2})(?:\+([a-z]+[\d.]*))?")


def machine_of(
    gpus: Sequence[Gpu], driver: str | None, os: str, arch: str, python: str, wsl: bool, tables: Tables
) -> Machine:
    """The machine in the words of the gates. UsageError for words that mean nothing, with the nearest that do;
    NoBuildError for systems and processors that nobody builds torch for."""
    system = _system(os)
    wsl = wsl or os.lower() == "wsl"
    if gpus and all(gpu.vendor != "nvidia" for gpu in gpus):
        driver = None  # no table says anything of other makers' drivers
    if driver is not None and not is_driver(driver):
        whose = "windows" if wsl else system
        raise UsageError(
            f"{driver!r} is not a driver version",
            f"give it as nvidia-smi prints it, for example {_as_nvidia_counts(driver)}; what builds need on {whose}: "
            + ", ".join(_floors(whose, tables)),
        )
    known = tuple(_with_capability(gpu, tables) for gpu in gpus)
    return Machine(known, driver, system, _arch(system, arch), _python(python, tables), wsl, tables)


def is_driver(text: str) -> bool:
    """Whether `text` can be compared as a driver version: "552.22", "580.65.06"."""
    return _DRIVER.fullmatch(text) is not None


def _as_nvidia_counts(driver: str) -> str:
    """ "552.22" for "31.0.15.5222", which is how Windows writes it."""
    windows = re.fullmatch(r"\d+\.\d+\.\d*(\d)\.(\d\d)(\d\d)", driver)
    return f"{windows[1]}{windows[2]}.{windows[3]}" if windows else "552.22"


def _floors(system: str, tables: Tables) -> list[str]:
    """The drivers from which on another CUDA major loads."""
    floors = {each.floor_windows if system == "windows" else each.floor_linux for each in tables.drivers} - {""}
    return sorted(floors, key=version_key)


def _system(os: str) -> str:
    system = "linux" if os.lower() == "wsl" else os.lower()
    if system in _OTHER_SYSTEMS:
        raise NoBuildError(f"no index has a torch wheel for {os}", "there are builds for linux, windows and macos")
    if system not in _ARCHS:
        raise UsageError(f"{os!r} is no operating system known here", "use linux, wsl, windows or macos")
    return system


def _arch(system: str, arch: str) -> str:
    word = _SAME_ARCH.get(arch.lower(), arch.lower())
    if word in ("arm64", "aarch64"):
        word = "aarch64" if system == "linux" else "arm64"
    usable = " and ".join(_ARCHS[system])
    if word in _OTHER_ARCHS:
        raise NoBuildError(f"no index has a torch wheel for {arch}", f"on {system} there are builds for {usable}")
    if word not in _ARCHS[system]:
        raise UsageError(f"{arch!r} is no processor known here", f"on {system} there are builds for {usable}")
    return word


def _python(python: str, tables: Tables) -> str:
    found = _PYTHON.fullmatch(python.strip())
    if not found or found[1] != "3":
        first = min((build.python_min for build in tables.builds), key=version_key, default="3")
        last = max((build.python_max for build in tables.builds), key=version_key, default="3")
        free = python.strip().endswith("t")
        why = "is free-threaded, and no table knows such wheels" if free else "cannot run torch"
        raise UsageError(f"Python {python!r} {why}", f"give one of {first} to {last}, for example 3.11")
    return f"3.{int(found[2])}"


def _with_capability(gpu: Gpu, tables: Tables) -> Gpu:
    card = tables.card_index.chips.get(gpu.chip or "") if not gpu.compute_capability else None
    return replace(gpu, compute_capability=card.compute_capability) if card else gpu


def _any_build(_version: str, _tag: str) -> bool:
    return True


def wish(torch: str | None, tables: Tables) -> Callable[[str, str], bool]:
    """Whether a (torch, tag) is what the user asked for. Raises UsageError for a version or tag no table knows."""
    if torch is None:
        return _any_build
    found = _WISH.fullmatch(torch.strip())
    if not found:
        raise UsageError(f"{torch!r} is not a torch version", "write 2.6, 2.6.0 or 2.6.0+cu124")
    prefix, tag = found[1], found[2]

    def matches(version: str, build_tag: str) -> bool:
        return f"{version}.".startswith(f"{prefix}.") and tag in (None, build_tag)

    versions = sorted({build.torch for build in tables.builds}, key=version_key)
    if not any(f"{version}.".startswith(f"{prefix}.") for version in versions):
        older = [version for version in versions if version_key(version) <= version_key(prefix)]
        nearest = older[-1] if older else versions[0] if versions else "none"
        newest = versions[-1] if versions else "none"
        raise UsageError(f"no table knows torch {prefix}", f"the nearest known here: {nearest}; the newest: {newest}")
    if tag and not any(build.tag == tag for build in tables.builds):
        of_it = sorted({build.tag for build in tables.builds if matches(build.torch, tag)}, key=tag_key)
        raise UsageError(f"no table knows the build {tag!r}", f"those of torch {prefix}: {', '.join(of_it)}")
    return matches


def releases_apart(version: str, wish: str, tables: Tables) -> tuple[int, int]:
    """How many minor releases lie between, then patches; every patch of 2.6 is as near to "2.6"."""
    wanted = tuple(int(part) for part in wish.strip().partition("+")[0].split("."))
    minors = sorted({_minor(build.torch) for build in tables.builds})
    near = [at for at, minor in enumerate(minors) if minor[: len(wanted)] == wanted[:2]] or [0]
    apart = min(abs(minors.index(_minor(version)) - at) for at in near)
    patches = abs((*version_key(version), 0, 0, 0)[2] - wanted[2]) if len(wanted) > 2 and not apart else 0
    return apart, patches


def _minor(version: str) -> tuple[int, int]:
    major, minor, *_ = (*version_key(version), 0, 0)
    return major, minor
