"""GPU(s) + driver + OS + Python -> the torch build that exists and runs there, with the reasons. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from hwcompat.asked import machine_of, releases_apart, wish
from hwcompat.errors import NoBuildError
from hwcompat.gates import (
    Checked,
    Machine,
    candidates,
    check,
    driver_floor,
    driver_refusal,
    is_for,
    is_jetson,
    kernel_refusal,
    origin,
    python_refusal,
)
from hwcompat.model import Build, Companion, Gpu, Pin, TorchFacts
from hwcompat.tablerows import version_key
from hwcompat.tables import DEFAULT_INDEX, Tables

SHOWN_REJECTIONS = 12

_NEWEST_DRIVER = "999"  # above every floor; an unknown driver would be refused on a Jetson

_MAKERS = {"nvidia": "NVIDIA", "amd": "AMD", "apple": "Apple", "intel": "Intel"}
_NOTHING: Mapping[str, str] = MappingProxyType({})


class _Asked(NamedTuple):
    """A machine, which builds are wanted there, and which of them a probe found wrong."""

    machine: Machine
    wished: Callable[[str, str], bool]
    failed: Mapping[str, str] = _NOTHING

    def with_gpus(self, gpus: Sequence[Gpu]) -> _Asked:
        return self._replace(machine=replace(self.machine, gpus=tuple(gpus)))


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
    failed: Mapping[str, str] = _NOTHING,
    alternatives: bool = False,
) -> Pin:
    """The best torch build that serves every one of `gpus` (none: CPU).

    driver: "552.22"; None is unknown and passes with a warning. os: linux windows macos, or wsl, like `wsl`: a Linux
    whose `driver` is the Windows host's. python: "3.11" or "3.11.7". torch: a wish, "2.6" (its newest patch) or
    "2.6.0+cu124". installed: the build already there, kept if it serves unless `newest` or a wish says otherwise.
    failed: builds ("2.8.0+cu128") that a probe found wrong on this machine, with what it found; they are taken only
    where nothing else serves.
    alternatives: `gpus` are chips that one name may mean, of which the machine has one.
    Where no build serves all cards, the answer is the one that serves most of them; a warning says which it leaves out
    and which environments would serve all. Raises UsageError for values that cannot exist and NoBuildError, with
    `.rejected`, where nothing serves.
    """
    machine = machine_of(gpus, driver, os, arch, python, wsl, tables)
    asked = _Asked(machine, wish(torch, tables), failed)
    own = installed if not newest else None
    refused: tuple[str, ...] = ()
    if own:
        state = _check_installed(own, asked)
        if not state.refusal:
            return _installed_pin(state, own, machine, index_base)
        refused = (f"{own.version} (installed): {state.refusal}",)
    checked = list(_checked(asked))
    best = max((each for each in checked if not each.refusal), key=_rank, default=None)
    if best:
        newer = [each for each in checked if each.order > best.order]
        warnings = _if_the_branch_is_newer(newer, asked)
        return _pin(best, machine, index_base, refused + _rejections(newer), warnings)
    most = _serving_most(asked) if len(machine.gpus) > 1 else None
    if most is None:
        raise _no_build(asked, checked, torch)
    warning = _left_out(asked, most, alternatives)
    served = asked.with_gpus(most.served)
    if own:
        state = _check_installed(own, served)
        if not state.refusal:
            pin = _installed_pin(state, own, served.machine, index_base)
            return replace(pin, warnings=(*pin.warnings, warning))
    return _pin(most.best, served.machine, index_base, refused + _rejections(checked), (warning,))


def _rank(checked: Checked) -> tuple[int, bool, tuple[int, ...], tuple[int, ...]]:
    return checked.rank


def _checked(asked: _Asked) -> Iterator[Checked]:
    """The wanted builds at the gates, newest first, down to one that nothing older can beat."""
    for build in candidates(asked.machine):
        if asked.wished(build.torch, build.tag):
            each = _measured(check(build, asked.machine), asked)
            yield each
            if not each.refusal and each.is_unbeatable:
                return


def _measured(state: Checked, asked: _Asked) -> Checked:
    """What a probe found here counts as a fault worth avoiding."""
    found = asked.failed.get(state.name) if asked.failed and not state.refusal else None
    if not found:
        return state
    told = f"its probe failed here: {found}"
    return state._replace(avoid=told, warnings=(*state.warnings, f"{state.name}: {told}"))


# --- several cards ----------------------------------------------------------------------------------------------------


class _Most(NamedTuple):
    """The build that serves most of the cards, and those cards."""

    best: Checked
    served: tuple[Gpu, ...]

    @property
    def rank(self) -> tuple[Any, ...]:
        return len(self.served), self.best.rank

    def may_lose_to(self, cards: int) -> bool:
        """Whether an older build that serves so many cards can be better."""
        return cards > len(self.served) or (cards == len(self.served) and not self.best.is_unbeatable)


def _serving_most(asked: _Asked) -> _Most | None:
    """Most cards first, then the usual rank; None if no build serves any. Makers have builds of their own."""
    makers = dict.fromkeys(gpu.vendor for gpu in asked.machine.gpus)
    found = (_serving_most_of(asked, tuple(g for g in asked.machine.gpus if g.vendor == vendor)) for vendor in makers)
    return max((most for most in found if most), key=lambda most: most.rank, default=None)


def _serving_most_of(asked: _Asked, cards: tuple[Gpu, ...]) -> _Most | None:
    best: _Most | None = None
    for build in candidates(asked.with_gpus(cards).machine):
        if not asked.wished(build.torch, build.tag):
            continue
        served = tuple(gpu for gpu in cards if not kernel_refusal(build, gpu, asked.machine))
        if best and not best.may_lose_to(len(cards)):
            break
        if not served or (best and not best.may_lose_to(len(served))):
            continue
        state = check(build, asked.with_gpus(served).machine)
        most = _Most(_measured(state, asked), served)
        if not state.refusal and (best is None or most.rank > best.rank):
            best = most
    return best


def _left_out(asked: _Asked, most: _Most, alternatives: bool) -> str:
    """What to know of the cards that the answer does not serve."""
    left = tuple(gpu for gpu in asked.machine.gpus if gpu not in most.served)
    if alternatives:
        chips = ", ".join(f"{gpu.chip} ({gpu.compute_capability})" for gpu in left)
        other = _serving_most(asked.with_gpus(left))
        which = f"{most.best.name} does not serve; {other.best.name} would" if other else "no build serves"
        return f"{left[0].name} also exists on {chips}, which {which}"
    return (
        f"no build serves all cards: {most.best.name} leaves out {_names(left)}. "
        f"Environments for all: {_environments(asked, most)}"
    )


def _environments(asked: _Asked, first: _Most) -> str:
    """The fewest environments that serve all cards, found greedily: most cards first."""
    most: _Most | None = first
    left = asked.machine.gpus
    parts: list[str] = []
    while most:
        parts.append(f"{most.best.name} for {_names(most.served)}")
        left = tuple(gpu for gpu in left if gpu not in most.served)
        most = _serving_most(asked.with_gpus(left))
    return "; ".join([*parts, f"none for {_names(left)}, which no build serves"] if left else parts)


def _makers(machine: Machine) -> str:
    return " and ".join(sorted({_MAKERS.get(gpu.vendor, gpu.vendor) for gpu in machine.gpus}))


def _names(gpus: Sequence[Gpu]) -> str:
    return ", ".join(dict.fromkeys(_named(gpu) for gpu in gpus))


def _named(gpu: Gpu) -> str:
    capability = gpu.compute_capability
    return gpu.name if not capability or capability in gpu.name else f"{gpu.name} ({capability})"


# --- the answer -------------------------------------------------------------------------------------------------------


def _pin(
    chosen: Checked, machine: Machine, index_base: str, rejected: tuple[str, ...], warnings: tuple[str, ...] = ()
) -> Pin:
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
        warnings=(*chosen.warnings, *warnings),
    )


def _companion(torch: str, tables: Tables) -> tuple[Companion | None, tuple[str, ...]]:
    partner = next((each for each in tables.companions if each.torch == torch), None)
    missing = [name for name in ("torchvision", "torchaudio") if not getattr(partner, name, "")]
    note = f" ({partner.note})" if partner and partner.note else ""
    return partner, tuple(f"no {name} is known for torch {torch}{note}" for name in missing)


def _if_the_branch_is_newer(newer: Sequence[Checked], asked: _Asked) -> tuple[str, ...]:
    """ "525" is taken as the first driver of its branch: what a later one of it would bring, if anything."""
    machine = asked.machine
    if not (machine.driver or "").isdigit() or "cu" not in machine.prefixes:
        return ()
    for lost in newer:
        floor = driver_floor(lost.build, machine)
        if floor.startswith(f"{machine.driver}."):
            there = _measured(check(lost.build, replace(machine, driver=floor)), asked)
            if not there.refusal and there.is_unbeatable:
                return (f"driver {machine.driver} is taken as {machine.driver}.0: {floor} or newer gets {lost.name}",)
    return ()


def _check_installed(facts: TorchFacts, asked: _Asked) -> Checked:
    """The build already there at the gates. Its own arch list counts, not the table's."""
    machine = asked.machine
    build = _installed_build(facts, machine)
    if machine.gpus and not is_for(build, machine):
        return Checked(build, f"a {build.tag} build is not for {_makers(machine)}")
    if not asked.wished(build.torch, build.tag):
        return Checked(build, "another one is asked for")
    state = _measured(check(build, machine), asked)
    return state._replace(refusal=state.avoid) if state.name in asked.failed and not state.refusal else state


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


def name_of(facts: TorchFacts) -> str:
    """An installed torch as the tables call it, "2.8.0+cu128"; a local part of another kind ("+git12") is left out."""
    version, _, local = facts.version.partition("+")
    if re.fullmatch(r"cpu|cu\d+|rocm[\d.]+", local):
        return f"{version}+{local}"
    cuda = "cu" + facts.cuda.replace(".", "") if facts.build == "cuda" and facts.cuda else ""
    return f"{version}+{cuda or ('cpu' if facts.build == 'mps' else facts.build)}"


def _installed_build(facts: TorchFacts, machine: Machine) -> Build:
    version, _, tag = name_of(facts).partition("+")
    return Build(
        torch=version,
        tag=tag,
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


def _reason(checked: Checked) -> str:
    if checked.refusal or checked.avoid:
        return checked.refusal or checked.avoid
    return f"would serve, but is not confirmed ({checked.trust})"


def _rejections(lost: Sequence[Checked]) -> tuple[str, ...]:
    """The newest of those that lost, each with its reason; `lost` is newest first."""
    return tuple(f"{each.name}: {_reason(each)}" for each in lost[:SHOWN_REJECTIONS])


def _no_build(asked: _Asked, checked: Sequence[Checked], torch: str | None) -> NoBuildError:
    machine = asked.machine
    rejected = _rejections(checked)
    what = _names(machine.gpus) or "the CPU"
    where = f"{machine.os} {machine.arch}, Python {machine.python}"
    everything = [check(build, machine) for build in candidates(machine)] if torch else checked
    serving = [each for each in everything if not each.refusal]
    if torch and serving:
        nearest = min(serving, key=lambda each: _distance(each, torch, machine.tables))
        why = f": {rejected[0]}" if rejected else ": no such wheel"
        return NoBuildError(
            f"torch {torch} does not serve {what} on {where}{why}", f"nearest that does: {nearest.name}", rejected
        )
    message = f"no torch build{f' {torch}' if torch else ''} serves {what} on {where}{_common_reason(checked, machine)}"
    apart = [asked.with_gpus((gpu,)).machine for gpu in machine.gpus] or [machine]
    hints = dict.fromkeys(_way_out(each) for each in apart)
    return NoBuildError(message, "; ".join(hints), rejected)


def _common_reason(checked: Sequence[Checked], machine: Machine) -> str:
    """What all builds were refused for, if there is such a thing."""
    told = [each.refusal for each in checked if not each.refusal.startswith("no wheel for Python")]
    reasons = [{part.partition(" in any wheel")[0] for part in refusal.split("; ")} for refusal in told]
    common = sorted(set.intersection(*reasons)) if reasons else []
    if common:
        return f": {common[0]}"
    if reasons and all(any(reason.startswith("driver ") for reason in each) for each in reasons):
        return f": driver {machine.driver} is too old for every build"
    return f": no wheel for Python {machine.python}" if checked and not reasons else ""


def _distance(checked: Checked, torch: str, tables: Tables) -> tuple[Any, ...]:
    """Fewest releases from the wish; among equals the most trusted, then the newest."""
    trust, sound, *newest = checked.rank
    newness = tuple(-part for key in newest for part in (*key, 0, 0)[:3])
    return releases_apart(checked.build.torch, torch, tables), -trust, not sound, newness


def _way_out(machine: Machine) -> str:
    """What the user could change, by the builds that fail only at Python or driver; else why nothing can."""
    builds = candidates(machine)
    if not builds:
        makers = _makers(machine)
        known = f"the tables know no wheel for {makers or 'the CPU'} on {machine.os} {machine.arch}"
        return f"{known}; use the CPU" if makers else f"{known}; build torch from source"
    suited = replace(machine, driver=_NEWEST_DRIVER)
    refusals = [_kernel_refusals(build, suited) for build in builds]
    usable = [build for build, refused in zip(builds, refusals, strict=True) if not refused]
    if not usable:
        without = any(reason.startswith("no kernel") for reason in refusals)
        return f"{_last_ever(machine, builds) if without else refusals[0]}; use the CPU or another card"
    last = _last_that_did(usable, machine)
    build, floor = last.build, driver_floor(last.build, machine)
    driver = f", driver {floor} or newer" if floor else ""
    which = f"the last build for this {'card' if machine.gpus else 'system'} is {last.name}"
    return f"{which}: Python {build.python_min} to {build.python_max}{driver}{_nearest(usable, machine)}"


def _last_ever(machine: Machine, builds: Sequence[Build]) -> str:
    """Which torch was the last to have a kernel, for cards that none of `builds` serves (newest first)."""
    never = f"no wheel from {builds[-1].torch} to {builds[0].torch} ever had a kernel for it"
    if any(is_jetson(gpu.compute_capability or "", machine.tables) for gpu in machine.gpus):
        return f"{never}; NVIDIA's own builds for its JetPack do"
    wanted = {(gpu.compute_capability, machine.os) for gpu in machine.gpus}
    last = next((each for each in machine.tables.last_builds if (each.compute_capability, each.os) in wanted), None)
    if last is None or machine.arch != "x86_64":
        return never
    if not last.torch:
        return f"no torch wheel for {machine.os} ever had a kernel for it"
    pythons = f"Python {last.python_min} to {last.python_max}"
    return f"{never}; the last torch that did was {last.torch}, on {pythons}"


def _kernel_refusals(build: Build, machine: Machine) -> str:
    """Why no cubin of it serves, whatever the driver. PTX is left out: the floor that is told would not do for it."""
    cubins = build._replace(ptx=()) if build.ptx else build
    for gpu in machine.gpus:
        refusal = kernel_refusal(cubins, gpu, machine)
        if refusal:
            return refusal
    return ""


def _last_that_did(usable: Sequence[Build], machine: Machine) -> Checked:
    """The best of the builds that have a kernel, if Python and driver suited."""
    best: Checked | None = None
    for build in usable:
        each = check(build, replace(machine, python=build.python_max, driver=_NEWEST_DRIVER))
        if best is None or each.rank > best.rank:
            best = each
        if best.is_unbeatable:
            break
    return best or Checked(usable[0], "")


def _nearest(usable: Sequence[Build], machine: Machine) -> str:
    """The nearest Python that the driver would do for, else the least driver that the Python would do for."""
    suiting = [build for build in usable if not python_refusal(build, machine.python)]
    if any(not driver_refusal(build, machine) for build in suiting):
        return ""  # something else than Python and driver
    pythons = {end for build in usable if not driver_refusal(build, machine) for end in _pythons(build)}
    if pythons:
        wanted = version_key(machine.python)[-1]
        return f"; the nearest Python with a build is {min(pythons, key=lambda p: abs(version_key(p)[-1] - wanted))}"
    floors = {driver_floor(build, machine) for build in suiting} - {""}
    return f"; the least driver for Python {machine.python} is {min(floors, key=version_key)}" if floors else ""


def _pythons(build: Build) -> tuple[str, str]:
    return build.python_min, build.python_max
