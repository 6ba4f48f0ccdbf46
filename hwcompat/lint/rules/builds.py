"""The torch build of a row: does it exist, for that Python, by that day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date as day
from datetime import timedelta
from functools import lru_cache

from hwcompat.lint.findings import Complaint, Facts, row_rule
from hwcompat.model import Build
from hwcompat.tablerows import version_key

_FINAL = re.compile(r"(\d+\.\d+(?:\.\d+)?)(?:\+(\w[\w.]*))?")
_TAG = re.compile(r"cpu|xpu|cu\d{2,4}|rocm\d+(?:\.\d+)*")
_REFRESH = "if it is new, add it with scripts/refresh_tables.py first"


@lru_cache(maxsize=8)
def _releases(facts: Facts) -> frozenset[tuple[int, ...]]:
    known = [build.torch for build in facts.tables.builds] + [each.torch for each in facts.tables.companions]
    return frozenset(map(version_key, known))


@lru_cache(maxsize=4096)
def _builds(facts: Facts, release: str, os: str, arch: str) -> tuple[Build, ...]:
    wanted, system = version_key(release), "linux" if os == "wsl" else os
    return tuple(
        build
        for build in facts.tables.builds
        if version_key(build.torch) == wanted and system in ("", build.os) and arch in ("", build.arch)
    )


@lru_cache(maxsize=1024)
def _released(facts: Facts, release: str) -> str:
    """A week before the first build of this release; "" where no table has its day."""
    days = {build.release_date for build in _builds(facts, release, "", "")} - {""}
    with suppress(ValueError):
        return (day.fromisoformat(min(days, default="")) - timedelta(days=7)).isoformat()
    return ""  # none, or the month alone


def _plain_build(torch: str) -> tuple[str, str] | None:
    """(release, tag or "") of a wheel of PyTorch's own; None for development, vendor and source builds."""
    found = _FINAL.fullmatch(torch)
    local = (found[2] or "").split(".with")[0] if found else ""
    return (found[1], local) if found and (not local or _TAG.fullmatch(local)) else None


@row_rule("torch", "source")
def the_torch_release_exists(facts: Facts, torch: str, source: str) -> Iterator[Complaint]:
    """The release is in torch_builds.csv or torch_companions.csv; a development build is of the next one at most."""
    key, known = version_key(torch), _releases(facts)
    if not key or not known or key < min(known):
        return  # not a version, which another rule tells, or older than the tables
    newest = max(known)
    loose = source == "reported" and any(each[: len(key)] == key for each in known)  # "2.0" of a report
    if key in known or loose:
        return
    if not _plain_build(torch) and (*key, 0)[:2] <= (newest[0], (*newest, 0)[1] + 1):
        return
    dotted = ".".join(map(str, newest))
    yield Complaint("torch", torch, f"no such release; the newest known is {dotted}", f"correct it; {_REFRESH}")


@row_rule("torch", "cuda")
def the_tag_is_that_of_the_version(facts: Facts, torch: str, cuda: str) -> Iterator[Complaint]:
    """The tag at the end of the version is the one in the column `cuda`."""
    plain = _plain_build(torch)
    if plain and plain[1] and cuda and plain[1] != cuda:
        yield Complaint("cuda", cuda, f"torch says +{plain[1]}", f"write {plain[1]}, or correct the version")


@row_rule("torch", "cuda", "os", "arch", "source")
def the_build_of_the_release_exists(
    facts: Facts, torch: str, cuda: str, os: str, arch: str, source: str
) -> Iterator[Complaint]:
    """A measured row's wheel is in torch_builds.csv: that release with that tag for that system.

    Not asked of reports, which name the toolkit or the driver's CUDA; nor of ROCm and XPU, whose lists are incomplete.
    """
    plain = _plain_build(torch)
    if source != "measured" or not plain or not re.fullmatch(r"cpu|mps|cu\d+", cuda):
        return
    everywhere, here = _builds(facts, plain[0], "", ""), _builds(facts, plain[0], os, arch)
    tag = "cpu" if cuda == "mps" else cuda  # the builds for macOS contain MPS
    if not everywhere or tag in {build.tag for build in here}:
        return
    tags = " ".join(sorted({build.tag for build in here})) or "none"
    where = " ".join(filter(None, (os, arch)))
    yield Complaint("cuda", cuda, f"torch {plain[0]} for {where} has: {tags}", f"correct it; {_REFRESH}")


@row_rule("python", "torch", "cuda", "os", "arch")
def the_python_is_one_of_the_build(
    facts: Facts, python: str, torch: str, cuda: str, os: str, arch: str
) -> Iterator[Complaint]:
    """The Python lies between the first and the last that this torch release has a wheel for."""
    plain, found = _plain_build(torch), re.match(r"3\.\d+", python)
    if not plain or not found:
        return
    builds = _builds(facts, plain[0], os, arch)
    builds = tuple(build for build in builds if build.tag == cuda) or builds
    mine = version_key(found[0])
    if builds and not any(version_key(b.python_min) <= mine <= version_key(b.python_max) for b in builds):
        first = min((b.python_min for b in builds), key=version_key)
        last = max((b.python_max for b in builds), key=version_key)
        yield Complaint(
            "python", python, f"torch {plain[0]} has wheels for {first} to {last}", "correct the Python or the torch"
        )


@row_rule("torch", "date", "source")
def the_build_was_released_by_then(facts: Facts, torch: str, date: str, source: str) -> Iterator[Complaint]:
    """Nobody runs a release before its day; a week is left for candidates and wheels that are up early."""
    plain = _plain_build(torch)
    exact = source == "measured" or torch.count(".") > 1  # "2.2" of a report may be a nightly build of it
    first = _released(facts, plain[0]) if plain and date and exact else ""
    if first and date < first:
        yield Complaint("date", date, f"torch {torch} was not released on {first} yet", "correct the date or the torch")
