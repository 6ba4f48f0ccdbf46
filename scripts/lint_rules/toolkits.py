"""Rules about cuda_drivers.csv."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator

from lint_rules import Finding, Folder, numbers, rule

SYSTEMS = ("linux", "windows")


@rule
def drivers_of_a_toolkit_are_above_its_floor(folder: Folder) -> Iterator[Finding]:
    """The driver shipped with a toolkit is at least the one that loads its runtime."""
    for row in folder.rows("cuda_drivers.csv"):
        for system in SYSTEMS:
            shipped, floor = row[f"min_driver_{system}"], row[f"min_driver_{system}_minor_compat"]
            if shipped and floor and numbers(shipped) < numbers(floor):
                yield row.finding(f"min_driver_{system}", f"is below its floor {floor}", "correct one of them")


@rule
def drivers_grow_with_toolkits(folder: Folder) -> Iterator[Finding]:
    """A newer toolkit ships no older driver."""
    rows = sorted(folder.rows("cuda_drivers.csv"), key=lambda row: numbers(row["cuda"]))
    for column in (f"min_driver_{system}" for system in SYSTEMS):
        filled = [row for row in rows if row[column]]
        for before, row in itertools.pairwise(filled):
            if numbers(row[column]) < numbers(before[column]):
                yield row.finding(column, f"is below {before[column]} of CUDA {before['cuda']}", "correct one of them")


@rule
def a_major_has_one_floor(folder: Folder) -> Iterator[Finding]:
    """Since CUDA 11 every toolkit of a major version loads with the same driver, which must be known."""
    majors = defaultdict(list)
    for row in folder.rows("cuda_drivers.csv"):
        if numbers(row["cuda"]) >= (11,):
            majors[numbers(row["cuda"])[0]].append(row)
    for major, rows in majors.items():
        for column in (f"min_driver_{system}_minor_compat" for system in SYSTEMS):
            usual = Counter(row[column] for row in rows).most_common(1)[0][0]
            for row in rows:
                if not row[column] or row[column] != usual:
                    yield row.finding(column, f"the floor of CUDA {major} is {usual or 'missing'}", "make them agree")


@rule
def toolkits_need_a_driver(folder: Folder) -> Iterator[Finding]:
    """Every toolkit names, for Linux and Windows, the driver it ships or its floor."""
    for row in folder.rows("cuda_drivers.csv"):
        for system in SYSTEMS:
            if not row[f"min_driver_{system}"] and not row[f"min_driver_{system}_minor_compat"]:
                yield row.finding(f"min_driver_{system}", "neither driver nor floor is given", "fill in one of them")


@rule
def removed_targets_stay_removed(folder: Folder) -> Iterator[Finding]:
    """removed_archs only grows, and deprecated_archs names nothing that is removed."""
    rows = sorted(folder.rows("cuda_drivers.csv"), key=lambda row: numbers(row["cuda"]))
    removed: set[str] = set()
    for row in rows:
        own = set(row["removed_archs"].split())
        if removed - own:
            yield row.finding(
                "removed_archs", f"lacks {' '.join(sorted(removed - own))}", "removed once, removed for good"
            )
        if own & set(row["deprecated_archs"].split()):
            yield row.finding("deprecated_archs", "names what is removed already", "take it out")
        removed |= own
