"""Rules about torch_builds.csv and torch_companions.csv."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby, pairwise

from hwcompat.tablerows import cuda_version
from lint_rules import Finding, Folder, Row, numbers, rule


def _by_release(folder: Folder) -> list[str]:
    return sorted({row["torch"] for row in folder.rows("torch_builds.csv")}, key=numbers)


@rule
def targets_are_in_order(folder: Folder) -> Iterator[Finding]:
    """sm_list and ptx_list are sorted (AMD: as get_arch_list() prints them) and name each target once."""
    for row in folder.rows("torch_builds.csv"):
        for column in ("sm_list", "ptx_list"):
            targets = row[column].split()
            keys = [numbers(each) for each in targets]
            if len(set(targets)) < len(targets) or (keys != sorted(keys) and not row[column].startswith("gfx")):
                yield row.finding(column, "is not sorted, or names a target twice", "sort the targets by number")


@rule
def arch_lists_lose_nothing_without_a_note(folder: Folder) -> Iterator[Finding]:
    """From one release to the next a tag keeps its targets on a system, unless `note` names those that went."""
    lists: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in folder.rows("torch_builds.csv"):
        if row["sm_list"]:
            lists[row["build_tag"], row["os"], row["arch"]].append(row)
    for rows in lists.values():
        rows.sort(key=lambda row: numbers(row["torch"]))
        for before, row in pairwise(rows):
            lost = [each for each in before["sm_list"].split() if each not in row["sm_list"].split()]
            untold = [each for each in lost if each not in row["note"].replace(",", " ").replace(";", " ").split()]
            if untold:
                problem = f"lacks {' '.join(untold)}, which {before['torch']} had under this tag"
                yield row.finding(
                    "sm_list", problem, "read the wheel (scripts/refresh_tables.py), or say why in `note`"
                )


@rule
def builds_hold_what_their_tag_says(folder: Folder) -> Iterator[Finding]:
    """CPU builds hold neither kernels nor cuDNN, CUDA builds sm_ targets, ROCm builds gfx targets."""
    for row in folder.rows("torch_builds.csv"):
        tag, targets = row["build_tag"], row["sm_list"].split()
        prefix = "sm_" if tag.startswith("cu") else "gfx"
        if tag == "cpu" and (targets or row["ptx_list"] or row["cudnn"]):
            column = "cudnn" if row["cudnn"] else "sm_list" if targets else "ptx_list"
            yield row.finding(column, "a CPU build holds none", "empty the cell, or correct build_tag")
        elif tag != "cpu" and not all(each.startswith(prefix) for each in targets):
            yield row.finding("sm_list", f"{tag} has {prefix} targets", "correct the list, or build_tag")
        elif tag.startswith("cu") and row["verified"] == "yes" and not targets:
            yield row.finding("sm_list", "is empty, but the row is verified", "read the wheel, or write verified=no")


@rule
def python_ranges_are_ordered(folder: Folder) -> Iterator[Finding]:
    """python_min is not above python_max."""
    for row in folder.rows("torch_builds.csv"):
        if numbers(row["python_min"]) > numbers(row["python_max"]):
            yield row.finding("python_min", f"is above python_max {row['python_max']}", "swap or correct them")


@rule
def a_release_has_one_date(folder: Folder) -> Iterator[Finding]:
    """Builds of a release agree on a date that exists, and releases of a minor version follow one another."""
    rows = sorted(folder.rows("torch_builds.csv"), key=lambda row: numbers(row["torch"]))
    latest: dict[tuple[int, ...], str] = {}
    for torch, group in groupby(rows, key=lambda row: row["torch"]):
        builds = list(group)
        dates = {row["release_date"] for row in builds}
        for row in builds:
            if not _is_date(row["release_date"]):
                yield row.finding("release_date", "is no date", "write YYYY-MM-DD or YYYY-MM, or leave it empty")
            elif len(dates) > 1 and row["release_date"] != max(dates):
                yield row.finding("release_date", f"other builds of {torch} say {max(dates)}", "make them agree")
        minor = numbers(torch)[:2]
        if max(dates)[:7] < latest.get(minor, "")[:7]:
            yield builds[0].finding("release_date", f"is before the release before it ({latest[minor]})", "correct it")
        latest[minor] = max(dates)


def _is_date(text: str) -> bool:
    try:
        return not text or bool(datetime.date.fromisoformat(text if len(text) > 7 else text + "-01"))
    except ValueError:
        return False


@rule
def every_release_has_its_default_build(folder: Folder) -> Iterator[Finding]:
    """From the first release on PyPI for a system on, each has exactly one default build there."""
    defaults: dict[tuple[str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in folder.rows("torch_builds.csv"):
        if row["is_default_on_pypi"] == "yes":
            defaults[row["os"], row["arch"]][row["torch"]].append(row)
    for (system, arch), found in defaults.items():
        first, last = min(found, key=numbers), max(found, key=numbers)
        for torch in _by_release(folder):
            for again in found[torch][1:] if torch in found else ():
                yield again.finding("is_default_on_pypi", "a second default of this release", "say no in one of them")
            if torch not in found and numbers(first) < numbers(torch) < numbers(last):
                yield _no_default(folder, f"{torch} {system} {arch}", f"{torch} has none for {system} {arch}")
        if last != _by_release(folder)[-1]:
            problem = f"{system} {arch} has none after {last}"
            yield _no_default(folder, f"{system} {arch}", problem)


def _no_default(folder: Folder, row: str, problem: str) -> Finding:
    line = len(folder.lines("torch_builds.csv"))
    advice = "add the row (scripts/refresh_tables.py), or record in lint_exceptions.csv that no wheel was published"
    return Finding("torch_builds.csv", line, "is_default_on_pypi", "", problem, advice, row)


@rule
def every_release_has_cpu_builds(folder: Folder) -> Iterator[Finding]:
    """Linux and Windows on x86_64 have a CPU build of every release."""
    rows = [row for row in folder.rows("torch_builds.csv") if (row["build_tag"], row["arch"]) == ("cpu", "x86_64")]
    have = {(row["torch"], row["os"]) for row in rows}
    for torch in _by_release(folder):
        for system in ("linux", "windows"):
            if (torch, system) not in have:
                line = len(folder.lines("torch_builds.csv"))
                problem = f"{torch} has no row cpu for {system}"
                yield Finding(
                    "torch_builds.csv", line, "build_tag", "", problem, "add the row", f"{torch} cpu {system}"
                )


@rule
def tags_have_a_toolkit(folder: Folder) -> Iterator[Finding]:
    """The CUDA version of each tag is in cuda_drivers.csv, which says what driver it needs."""
    known = [row["cuda"] + "." for row in folder.rows("cuda_drivers.csv")]
    for row in folder.rows("torch_builds.csv"):
        cuda = cuda_version(row["build_tag"])
        if cuda and not any(each.startswith(cuda + ".") for each in known):
            yield row.finding("build_tag", f"cuda_drivers.csv has no CUDA {cuda}", "add its row with the driver floor")


@rule
def kernels_are_those_nvcc_still_builds(folder: Folder) -> Iterator[Finding]:
    """A build has no kernel that the compiler of its CUDA version has removed."""
    removed: dict[str, set[str]] = {}
    for row in folder.rows("cuda_drivers.csv"):
        removed.setdefault(".".join(row["cuda"].split(".")[:2]), set()).update(row["removed_archs"].split())
    for row in folder.rows("torch_builds.csv"):
        wrong = [each for each in row["sm_list"].split() if each in removed.get(cuda_version(row["build_tag"]), ())]
        if wrong:
            problem = f"nvcc of that CUDA builds no {' '.join(wrong)}"
            yield row.finding("sm_list", problem, "correct the list, or removed_archs in cuda_drivers.csv")


@rule
def companions_belong_to_releases(folder: Folder) -> Iterator[Finding]:
    """torch_companions.csv has one row for each release of torch_builds.csv and for no other."""
    releases = _by_release(folder)
    rows = folder.rows("torch_companions.csv")
    for row in rows:
        if row["torch"] not in releases:
            yield row.finding("torch", "torch_builds.csv has no such release", "add its builds, or remove the row")
    for torch in releases:
        if torch not in {row["torch"] for row in rows}:
            line = len(folder.lines("torch_companions.csv"))
            yield Finding("torch_companions.csv", line, "torch", torch, "has no row", "add it with its source", torch)


@rule
def companions_grow_with_torch(folder: Folder) -> Iterator[Finding]:
    """A newer torch has no older torchvision or torchaudio than the release before it."""
    rows = folder.rows("torch_companions.csv")
    for column in ("torchvision", "torchaudio"):
        filled = [row for row in rows if row[column]]
        for before, row in pairwise(filled):
            if numbers(row[column]) < numbers(before[column]):
                problem = f"is older than {before[column]} of {before['torch']}"
                yield row.finding(column, problem, "correct one of them")
