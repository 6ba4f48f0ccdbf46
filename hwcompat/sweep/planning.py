"""Which torch builds can run on a machine, in the order in which they are worth measuring; and why the others cannot.

Pure: the gates of the resolver over the tables. A build is measured once, on the first of the given Pythons that it has
a wheel for: what a card computes does not depend on the Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from hwcompat import gates
from hwcompat.asked import machine_of, wish
from hwcompat.errors import NoBuildError, UsageError
from hwcompat.gates import Checked, Machine, tag_key
from hwcompat.model import Build, Gpu
from hwcompat.tablerows import version_key
from hwcompat.tables import Tables

Line = tuple[str, str, str]
"""A minor release and a tag, ("2", "7", "cu126"): of its patches only the newest is worth a download."""


class Python(NamedTuple):
    """A Python that environments can be made of. `request` is what uv is told: a version, or a (private) path."""

    version: str  # "3.11"
    request: str


class Candidate(NamedTuple):
    """A build to measure. `path` is set where it is installed already: the (private) interpreter that has it."""

    torch: str  # "2.7.1"
    tag: str  # "cu126"
    python: Python
    path: str = ""
    on_package_index: bool = False  # a bare `pip install torch==...` gives this very build
    avoid: str = ""  # the known fault for which it is measured last
    notes: tuple[str, ...] = ()  # doubts: that fault, a row that nobody confirmed

    @property
    def build(self) -> str:
        return f"{self.torch}+{self.tag}"

    @property
    def installed(self) -> bool:
        return bool(self.path)


class Refused(NamedTuple):
    build: str
    reason: str


class Plan(NamedTuple):
    """`candidates` in the order in which they are measured; `refused`, newest first, were asked for and cannot run."""

    candidates: tuple[Candidate, ...]
    refused: tuple[Refused, ...]


class Place(NamedTuple):
    """The machine of a sweep: as the resolver is told it. No gpus: the CPU."""

    gpus: tuple[Gpu, ...]
    driver: str | None
    os: str
    arch: str
    wsl: bool = False


def plan(
    place: Place,
    pythons: Sequence[Python],
    tables: Tables,
    *,
    torch: Sequence[str] = (),
    tags: Sequence[str] = (),
    installed: Sequence[Candidate] = (),
) -> Plan:
    """What to measure on `place`: what is installed first, then a build of each release and tag that passes the gates.

    torch: wishes ("2.6": the newest patch that serves, "2": every minor release of it, "2.6.0", "2.6.0+cu124").
    tags: only these. A CPU is served by every build: builds for accelerators count there where they are named.
    Raises UsageError for a version or tag that no table knows and NoBuildError for a system without wheels.
    """
    wishes = understood(torch, tags, tables)
    machines = [_machine(place, python.version, tables) for python in pythons]
    wanted = _wanted(place, wishes, tags, tables)
    passed: dict[Build, Candidate] = {}
    refused: dict[Build, Refused] = {}
    for build in wanted:
        found = _first_python(build, pythons, machines)
        if isinstance(found, Refused):
            refused[build] = found
        else:
            passed[build] = found
    chosen = _newest_patches(passed, wishes)
    here = {(each.build, each.python.version) for each in installed}
    rest = tuple(each for each in _ordered(chosen) if (each.build, each.python.version) not in here)
    served = {_line(build) for build in passed}
    told = [refused[build] for build in _one_a_line(b for b in refused if _line(b) not in served)]
    return Plan((*installed, *rest), tuple(told))


Wish = tuple[str, Callable[[str, str], bool]]


def understood(torch: Sequence[str], tags: Sequence[str], tables: Tables) -> list[Wish]:
    """The wishes, each with what it matches (none: everything). UsageError for words that no table knows."""
    _refuse_unknown_tags(tags, tables)
    return [(text, wish(text, tables)) for text in torch] or [("", wish(None, tables))]


def _refuse_unknown_tags(tags: Sequence[str], tables: Tables) -> None:
    known = {build.tag for build in tables.builds}
    for tag in tags:
        if tag not in known:
            near = sorted((each for each in known if each[:2] == tag[:2]), key=tag_key) or sorted(known, key=tag_key)
            raise UsageError(f"no table knows the build {tag!r}", f"known: {', '.join(near)}")


def _wanted(place: Place, wishes: Sequence[Wish], tags: Sequence[str], tables: Tables) -> list[Build]:
    """The builds made for this machine that were asked for, newest first."""
    machine = _machine(place, "3.11", tables)
    made = gates.candidates(machine)
    if not place.gpus:
        named = {*tags, *(text.partition("+")[2] for text, _ in wishes)} - {"", "cpu"}
        own = (machine.os, machine.arch)
        made += tuple(b for b in tables.builds if b.tag in named and (b.os, b.arch) == own)
    fitting = [
        build
        for build in made
        if (not tags or build.tag in tags) and any(matches(build.torch, build.tag) for _, matches in wishes)
    ]
    return sorted(dict.fromkeys(fitting), key=gates.build_order, reverse=True)


def _first_python(build: Build, pythons: Sequence[Python], machines: Sequence[Machine]) -> Candidate | Refused:
    """The build on the first Python that the gates let it run on, or why none does."""
    no_wheel = []
    for python, machine in zip(pythons, machines, strict=True):
        state = gates.check(build, machine)
        if not state.refusal:
            return _candidate(state, python._replace(version=machine.python))
        if not gates.python_refusal(build, machine.python):
            return Refused(state.name, state.refusal)
        no_wheel.append(machine.python)
    reason = f"no wheel for Python {' or '.join(dict.fromkeys(no_wheel))} ({build.python_min} to {build.python_max})"
    return Refused(f"{build.torch}+{build.tag}", reason)


def _machine(place: Place, python: str, tables: Tables) -> Machine:
    return machine_of(place.gpus, place.driver, place.os, place.arch, python, place.wsl, tables)


def _candidate(state: Checked, python: Python) -> Candidate:
    build = state.build
    doubts = state.warnings if state.avoid or state.trust != "yes" else ()
    return Candidate(
        build.torch, build.tag, python, on_package_index=build.default_on_pypi, avoid=state.avoid, notes=doubts
    )


# --- one patch a release and tag --------------------------------------------------------------------------------------


def _line(build: Build) -> Line:
    major, minor = (*build.torch.split("."), "0")[:2]
    return major, minor, build.tag


def _one_a_line(builds: Iterable[Build]) -> list[Build]:
    """The newest of each release and tag; `builds` are newest first."""
    first: dict[Line, Build] = {}
    for build in builds:
        first.setdefault(_line(build), build)
    return list(first.values())


def _newest_patches(passed: dict[Build, Candidate], wishes: Sequence[Wish]) -> list[Candidate]:
    """Of every wish the newest patch of each release and tag; a wish that names the patch gets that one."""
    chosen: dict[Build, Candidate] = {}
    for text, matches in wishes:
        fitting = [build for build in passed if matches(build.torch, build.tag)]
        names_patch = re.fullmatch(r"\s*\d+\.\d+\.\d+(\+.*)?\s*", text) is not None
        chosen.update({build: passed[build] for build in (fitting if names_patch else _one_a_line(fitting))})
    return list(chosen.values())


# --- the order --------------------------------------------------------------------------------------------------------


def _ordered(candidates: Sequence[Candidate]) -> list[Candidate]:
    """First the newest tag of every release, newest release first, then the next tag of each; known faults last.

    So a sweep that is cut short, by a limit or by its user, has seen the most different builds.
    """
    newest_first = sorted(candidates, key=_newness, reverse=True)
    wave = {
        each: n
        for _, release in groupby(newest_first, key=lambda each: each.torch)
        for n, each in enumerate(release)
    }  # fmt: skip
    return sorted(newest_first, key=lambda each: (bool(each.avoid), wave[each]))


def _newness(candidate: Candidate) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return version_key(candidate.torch), tag_key(candidate.tag)


# --- a limit ----------------------------------------------------------------------------------------------------------


def cut(found: Plan, most: int | None) -> tuple[Plan, int]:
    """The plan with at most `most` builds to install (what is installed is always measured), and how many it loses."""
    here = tuple(each for each in found.candidates if each.installed)
    others = tuple(each for each in found.candidates if not each.installed)
    kept = others if most is None else others[:most]
    return found._replace(candidates=here + kept), len(others) - len(kept)


def no_candidates(found: Plan, place: Place) -> NoBuildError:
    """The error where nothing that was asked for can run."""
    rejected = tuple(f"{each.build}: {each.reason}" for each in found.refused)
    what = ", ".join(gpu.name for gpu in place.gpus) or "the CPU"
    told = f": {rejected[0]}" if rejected else f": there is no such build for it on {place.os} {place.arch}"
    hint = "see what would run: hwcompat sweep --dry-run, without --torch and --tags"
    if place.gpus and not rejected:
        hint += "; a build without GPU: add --device cpu"
    return NoBuildError(f"no torch build that was asked for serves {what}{told}", hint, rejected)
