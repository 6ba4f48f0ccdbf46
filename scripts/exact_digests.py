"""Writes matrix/exact_digests.csv: what the exact digests must be on every device, computed on this machine's CPU.

    python scripts/exact_digests.py [--out matrix/exact_digests.csv] [--levels quick standard] [--large] [--check]

Every exact probe runs with seed 0 in every dtype; those that pass in all cases give a line. A probe's line is computed
anew each time; nothing is taken over. --large adds the enlarged shapes of accelerators (level standard), computed here
on the CPU with the same code; that takes long, and probes for CUDA alone have no line. --check writes nothing and exits
1 if the file says otherwise about these levels; it leaves out what is not exact by its rule and has no line. Prints
what gave no digest.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from pathlib import Path

import torch

from hwcompat import digests, session
from hwcompat.probes import catalogue, context, execute

OUT = Path(__file__).parents[1] / "matrix" / "exact_digests.csv"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--levels", nargs="*", default=["quick", "standard"], choices=catalogue.LEVELS)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    found: dict[str, str] = {}
    known = with_lines(options.out) if options.check else frozenset()
    for level in options.levels:
        found.update(of_level(level, large=False, known=known))
    if options.large:
        found.update(of_level("standard", large=True))
    if options.check:
        return compared(options.out, found, options.levels)
    write(options.out, found)
    print(f"{len(found)} digests in {options.out}")
    return 0


def with_lines(path: Path) -> frozenset[str]:
    """The probes that have lines in the file."""
    with path.open(encoding="utf-8", newline="") as handle:
        return frozenset(row["key"].split("/")[1] for row in csv.DictReader(handle))


def of_level(level: str, large: bool, known: frozenset[str] = frozenset()) -> dict[str, str]:
    """The named exact digests of every probe that runs on a CPU at `level`; with `known`, of those that are exact by
    their rule and of these."""
    probes = {p.id: p for p in catalogue.select(catalogue.listing(), level) if p.rule != "SPEED" and "cpu" in p.devices}
    if known:
        probes = {name: p for name, p in probes.items() if p.rule == "EXACT" or name in known}
    results = []
    for probe in probes.values():
        for dtype in probe.dtypes:
            started = time.perf_counter()
            found = run(probe, dtype, level, large)
            results.append(session.result_of(found, probe, dtype))
            if found["status"] not in ("pass", "feature", "unsupported", "skipped"):
                sys.exit(f"{probe.id} {dtype}: {found['status']} {found['case']}: {found['detail']}")
            if not found["digest"] or large:
                word = "digest" if found["digest"] else f"no digest ({probe.rule}, {found['status']})"
                print(f"{probe.id} {dtype} {level}: {word}, {time.perf_counter() - started:.1f} s", file=sys.stderr)
    named = digests.named(results, probes, level, large)
    return {key: digest for key, digest in named.items() if key.startswith("exact/")}


def run(probe: catalogue.Probe, dtype: str, level: str, large: bool) -> dict[str, object]:
    """The probe's result on the CPU, with the shapes of an accelerator if `large`."""
    usual = context.Context.large
    try:
        if large:
            context.Context.large = property(lambda ctx: True)  # type: ignore[assignment, method-assign]
        found: dict[str, object] = execute.run(torch, probe, dtype, level=level, seed=0)
        return found
    finally:
        context.Context.large = usual  # type: ignore[method-assign]


def compared(path: Path, found: dict[str, str], levels: list[str]) -> int:
    """Tell every line of `levels` (CPU shapes) that the file lacks, has too many or has otherwise."""
    with path.open(encoding="utf-8", newline="") as handle:
        kept = {row["key"]: row["digest"] for row in csv.DictReader(handle)}
    kept = {key: digest for key, digest in kept.items() if key.endswith(tuple(f"/{level}/cpu" for level in levels))}
    short = {key: digest[: digests.LENGTH] for key, digest in found.items()}
    wrong = sorted(key for key in kept.keys() | short.keys() if kept.get(key) != short.get(key))
    for key in wrong:
        print(f"{key}: {kept.get(key, 'not in the file')} in the file, {short.get(key, 'none')} today")
    return 1 if wrong else 0


def write(path: Path, found: dict[str, str]) -> None:
    source = f"scripts/exact_digests.py, torch {torch.__version__}, CPU"
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["key", "digest", "source"])
        writer.writerows([key, found[key][: digests.LENGTH], source] for key in sorted(found))


if __name__ == "__main__":
    sys.exit(main())
