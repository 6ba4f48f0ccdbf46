"""GPU(s) + driver + OS + Python -> the torch build that exists and runs there, with the reasons. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hwcompat.errors import NoBuildError, UsageError
from hwcompat.gates import Checked, Machine, check, driver_floor, is_for, origin, tag_key
from hwcompat.model import Build, Companion, Gpu, Pin, TorchFacts
from hwcompat.tablerows import version_key
from hwcompat.tables import DEFAULT_INDEX, Tables

SHOWN_REJECTIONS = 12

_ARCHS = {"linux": ("x86_64", "aarch64"), "windows": ("x86_64", "arm64"), "macos": ("arm64", "x86_64")}
_SAME_ARCH = {"amd64": "x86_64", "x64": "x86_64"}
_DRIVER = re.compile(r"\d{2,3}(\.\d+){0,2}")
_NEWEST_DRIVER = "999"  # above every floor; an unknown driver would be refused on a Jetson
_WISH = re.compile(r"(\d+(?:\.\d+){0,2})(?:\+([a-z]+[\d.]*))?")


def resolve(
    gpus: Sequence[Gpu],
    *,
    driver: str | None,
    os: str,
    arch: str,
    python: str,
    torch: str | None = None,
    installed: TorchFacts | None = None,
    tables: Tables,
    index_base: str = DEFAULT_INDEX,
    newest: bool = False,
    wsl: bool = False,
) -> Pin:
    """The best torch build that serves every one of `gpus` (none: CPU).

    driver: "552.22"; None is unknown and passes with a warning. os: linux windows macos; `wsl` means `driver` is the
    Windows host's. python: "3.11" or "3.11.7". torch: a wish, "2.6" (its newest patch) or "2.6.0+cu124". installed: the
    build already there, kept if it serves unless `newest` or a wish says otherwise.
    Raises UsageError for values that cannot exist and NoBuildError, with `.rejected`, where nothing serves.
    """
    machine = _machine(gpus, driver, os, arch, python, wsl, tables)
    wished = _wish(torch, tables)
    refused: tuple[str, ...] = ()
    if installed and not newest:
        state = _check_installed(installed, machine, wished)
        if not state.refusal:
            return _installed_pin(state, installed, machine, index_base)
        refused = (f"{installed.version} (installed): {state.refusal}",)
    checked = [check(build, machine) for build in tables.builds if is_for(build, machine)]
    passing = [each for each in checked if not each.refusal]
    wanted = [each for each in passing if wished(each.build.torch, each.build.tag)]
    if not wanted:
        raise _no_build(machine, checked, wished, torch)
    best = max(wanted, key=lambda each: each.rank)
    newer = [each for each in checked if _order(each) > _order(best) and wished(each.build.torch, each.build.tag)]
    return _pin(best, machine, index_base, refused + _rejections(newer))


def resolve_any(alternatives: Sequence[Gpu], **machine: Any) -> Pin:
    """`resolve` for a name sold on several chips: one build for all of them, else for those that any build serves.

    `machine` is what `resolve` takes after `gpus`; the warning says which chips are left out. Raises as `resolve`.
    """
    try:
        return resolve(alternatives, **machine)
    except NoBuildError:
        served = [gpu for gpu in alternatives if _serves(gpu, machine)]
        if not served or len(served) == len(alternatives):
            raise
    left = ", ".join(f"{gpu.chip} ({gpu.compute_capability})" for gpu in alternatives if gpu not in served)
    pin = resolve(served, **machine)
    warning = f"{alternatives[0].name} also exists on {left}, which no build serves"
    return replace(pin, warnings=(*pin.warnings, warning))


def _serves(gpu: Gpu, machine: dict[str, Any]) -> bool:
    try:
        resolve([gpu], **machine)
    except NoBuildError:
        return False
    return True


# --- what was asked ---------------------------------------------------------------------------------------------------


def _machine(
    gpus: Sequence[Gpu], driver: str | None, os: str, arch: str, python: str, wsl: bool, tables: Tables
) -> Machine:
    system = os.lower()
    if system not in _ARCHS:
        raise UsageError(f"{os!r} is no operating system known here", "use linux, windows or macos")
    if driver is not None and not is_driver(driver):
        raise UsageError(f"{driver!r} is not a driver version", "give it as nvidia-smi prints it, for example 552.22")
    known = tuple(_with_capability(gpu, tables) for gpu in gpus)
    return Machine(known, driver, system, _arch(system, arch), _python(python), wsl, tables)


def is_driver(text: str) -> bool:
    """Whether `text` can be compared as a driver version: "552.22", "580.65.06"."""
    return _DRIVER.fullmatch(text) is not None


def _arch(system: str, arch: str) -> str:
    word = _SAME_ARCH.get(arch.lower(), arch.lower())
    if word in ("arm64", "aarch64"):
        word = "aarch64" if system == "linux" else "arm64"
    if word not in _ARCHS[system]:
        raise UsageError(f"{arch!r} is no processor known here", f"use {' or '.join(_ARCHS[system])} on {system}")
    return word


def _python(python: str) -> str:
    found = re.match(r"(\d+)\.(\d+)", python)
    if not found or found[1] != "3":
        raise UsageError(f"Python {python!r} cannot run torch", "give a Python 3 version, for example 3.11")
    return f"3.{int(found[2])}"


def _with_capability(gpu: Gpu, tables: Tables) -> Gpu:
    card = tables.card_index.chips.get(gpu.chip or "") if not gpu.compute_capability else None
    return replace(gpu, compute_capability=card.compute_capability) if card else gpu


def _wish(torch: str | None, tables: Tables) -> Callable[[str, str], bool]:
    """Whether a (torch, tag) is what the user asked for. Raises UsageError for a version or tag no table knows."""
    if torch is None:
        return lambda _version, _tag: True
    found = _WISH.fullmatch(torch.strip())
    newest = max((build.torch for build in tables.builds), key=version_key, default="")
    if not found:
        raise UsageError(f"{torch!r} is not a torch version", "write 2.6, 2.6.0 or 2.6.0+cu124")
    prefix, tag = found[1], found[2]

    def matches(version: str, build_tag: str) -> bool:
        return f"{version}.".startswith(f"{prefix}.") and tag in (None, build_tag)

    if not any(f"{build.torch}.".startswith(f"{prefix}.") for build in tables.builds):
        raise UsageError(f"no table knows torch {prefix}", f"the newest known here is {newest}")
    if tag and not any(build.tag == tag for build in tables.builds):
        raise UsageError(f"no table knows the build {tag!r}", "tags look like cpu, cu126 or rocm6.2")
    return matches


# --- the answer -------------------------------------------------------------------------------------------------------


def _pin(chosen: Checked, machine: Machine, index_base: str, rejected: tuple[str, ...]) -> Pin:
    build = chosen.build
    partner, notes = _companion(build.torch, machine.tables)
    wheel = f"a wheel of {chosen.name} for Python {machine.python} on {machine.os} {machine.arch} exists"
    return Pin(
        torch=build.torch,
        tag=build.tag,
        index_url=f"{index_base.rstrip('/')}/{build.tag}",
        torchvision=partner.torchvision or None if partner else None,
        torchaudio=partner.torchaudio or None if partner else None,
        because=(f"{wheel} ({origin(build)})", *chosen.because, *notes),
        rejected=rejected,
        verified=chosen.trust,
        cudnn=build.cudnn,
        warnings=chosen.warnings,
    )


def _companion(torch: str, tables: Tables) -> tuple[Companion | None, tuple[str, ...]]:
    partner = next((each for each in tables.companions if each.torch == torch), None)
    missing = [name for name in ("torchvision", "torchaudio") if not getattr(partner, name, "")]
    note = f" ({partner.note})" if partner and partner.note else ""
    return partner, tuple(f"no {name} is known for torch {torch}{note}" for name in missing)


def _check_installed(facts: TorchFacts, machine: Machine, wished: Callable[[str, str], bool]) -> Checked:
    """The build already there at the gates. Its own arch list counts, not the table's."""
    build = _installed_build(facts, machine)
    if not is_for(build, machine):
        makers = " and ".join(sorted({gpu.vendor for gpu in machine.gpus})) or "the CPU alone"
        return Checked(build, f"a {build.tag} build is not for {makers}")
    if not wished(build.torch, build.tag):
        return Checked(build, "another one is asked for")
    return check(build, machine)


def _installed_pin(state: Checked, facts: TorchFacts, machine: Machine, index_base: str) -> Pin:
    pin = _pin(state, machine, index_base, ())
    pin = replace(pin, installed=True, because=(f"{facts.version} is installed and serves", *pin.because[1:]))
    if _is_published(state.build, facts.version, machine):
        return pin
    warning = f"the installed torch {facts.version} is on no index known here: get it again from where it came from"
    return replace(
        pin, torch=facts.version, index_url="", torchvision=None, torchaudio=None, warnings=(*pin.warnings, warning)
    )


def _is_published(build: Build, version: str, machine: Machine) -> bool:
    """Whether a table knows the installed build; NVIDIA's containers and source builds have a local part of their own
    ("2.13.0a0+git1234567"), and an install command for such a version would find nothing."""
    local = version.partition("+")[2]
    key = (build.torch, build.tag, build.os, build.arch)
    return local in ("", build.tag) and any(
        key == (known.torch, known.tag, known.os, known.arch) for known in machine.tables.builds
    )


def _installed_build(facts: TorchFacts, machine: Machine) -> Build:
    version, _, local = facts.version.partition("+")
    cuda = "cu" + facts.cuda.replace(".", "") if facts.build == "cuda" and facts.cuda else ""
    return Build(
        torch=version,
        tag=local
        if re.fullmatch(r"cpu|cu\d+|rocm[\d.]+", local)
        else cuda or ("cpu" if facts.build == "mps" else facts.build),
        os=machine.os,
        arch=machine.arch,
        archs=tuple(arch for arch in facts.arch_list if not arch.startswith("compute_")),
        ptx=tuple(arch.replace("compute_", "sm_") for arch in facts.arch_list if arch.startswith("compute_")),
        cudnn=facts.cudnn or "",
        python_min=machine.python,
        python_max=machine.python,
        default_on_pypi=False,
        release_date="",
        source="the installed build itself",
        verified="yes",
    )


# --- refusals ---------------------------------------------------------------------------------------------------------


def _order(checked: Checked) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return version_key(checked.build.torch), tag_key(checked.build.tag)


def _reason(checked: Checked) -> str:
    if checked.refusal:
        return checked.refusal
    if checked.avoid:
        return f"known fault {checked.avoid}"
    return f"would serve, but is not confirmed ({checked.trust})"


def _rejections(lost: Sequence[Checked]) -> tuple[str, ...]:
    newest_first = sorted(lost, key=_order, reverse=True)
    return tuple(f"{each.name}: {_reason(each)}" for each in newest_first)[:SHOWN_REJECTIONS]


def _no_build(
    machine: Machine, checked: Sequence[Checked], wished: Callable[[str, str], bool], torch: str | None
) -> NoBuildError:
    asked = [each for each in checked if wished(each.build.torch, each.build.tag)]
    serving = [each for each in checked if not each.refusal]
    rejected = _rejections(asked)
    what = ", ".join(_named(gpu) for gpu in machine.gpus) or "the CPU"
    where = f"{machine.os} {machine.arch}, Python {machine.python}"
    if torch and serving:
        nearest = min(serving, key=lambda each: _distance(each, torch))
        why = f": {rejected[0]}" if rejected else ": no such wheel"
        return NoBuildError(
            f"torch {torch} does not serve {what} on {where}{why}", f"nearest that does: {nearest.name}", rejected
        )
    reasons = {each.refusal for each in asked if not each.refusal.startswith("no wheel for Python")}
    why = f": {reasons.pop()}" if len(reasons) == 1 else ""
    message = f"no torch build{f' {torch}' if torch else ''} serves {what} on {where}{why}"
    return NoBuildError(message, _way_out(machine, checked), rejected)


def _named(gpu: Gpu) -> str:
    capability = gpu.compute_capability
    return gpu.name if not capability or capability in gpu.name else f"{gpu.name} ({capability})"


def _distance(checked: Checked, torch: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Fewest steps in major, minor, patch from the wish; among equals the most trusted, then the newest tag."""
    wish = (*version_key(torch), 0, 0, 0)[:3]
    have = (*version_key(checked.build.torch), 0, 0, 0)[:3]
    steps = tuple(abs(a - b) for a, b in zip(wish, have, strict=True))
    trust, sound, *_ = checked.rank
    return steps, (-trust, -sound, *(-part for part in tag_key(checked.build.tag)))


def _way_out(machine: Machine, checked: Sequence[Checked]) -> str:
    """What the user could change, by the builds that fail only at Python or driver; else why nothing can."""
    if len(machine.gpus) > 1:
        return _environments(machine)
    if not checked:
        return _nothing_made(machine)
    relaxed = [_relaxed(each.build, machine) for each in checked]
    serving = [each for each in relaxed if not each.refusal]
    if not serving and not relaxed[-1].refusal.startswith("no kernel"):
        return f"{relaxed[-1].refusal}; otherwise use the CPU"
    if not serving:
        versions = sorted({each.build.torch for each in checked}, key=version_key)
        return f"no wheel from {versions[0]} to {versions[-1]} ever had a kernel for it; use the CPU or another card"
    last = max(serving, key=lambda each: each.rank)
    build = last.build
    floor = driver_floor(build, machine)
    driver = f", driver {floor} or newer" if floor else ""
    return f"the last build for this card is {last.name}: Python {build.python_min} to {build.python_max}{driver}"


def _relaxed(build: Build, machine: Machine) -> Checked:
    """With a Python and a driver that suit. PTX is left out: the floor that is told would not do for it."""
    suited = machine._replace(python=build.python_max, driver=_NEWEST_DRIVER)
    return check(build._replace(ptx=()), suited)


def _nothing_made(machine: Machine) -> str:
    makers = " and ".join(sorted({gpu.vendor for gpu in machine.gpus}))
    known = f"the tables know no wheel for {makers or 'the CPU'} on {machine.os} {machine.arch}"
    return f"{known}; use the CPU" if makers else f"{known}; build torch from source"


def _environments(machine: Machine) -> str:
    """Which build each card alone would need."""
    needs = []
    for gpu in machine.gpus:
        alone = machine._replace(gpus=(gpu,))
        serving = [c for c in (check(b, alone) for b in machine.tables.builds if is_for(b, alone)) if not c.refusal]
        best = max(serving, key=lambda each: each.rank, default=None)
        needs.append(f"{gpu.name} needs {best.name if best else 'another machine: no build serves it'}")
    return "one environment each: " + "; ".join(dict.fromkeys(needs))
