"""Merging and judging a simulated fleet of 10,000 GPUs: seconds, memory, and whether exactly the sick cards are named.

    python scripts/bench_fleet.py [--cards 10000] [--seeds 1 2 3] [--jobs 2] [--each 6] [--folder FOLDER]

tests/fleet_simulation.py writes the fleet (reports of a standard run's size, several models and builds, noise with and
without heavy tails, sick cards of every kind, slow nodes, lost, cut and silent ones); then `hwcompat fleet merge` runs
as a user runs it, rows included. Peak memory is that of all its processes together, sampled; processor seconds tell
what an idle machine needs, also where this one is busy. Needs 150 kB of disk a GPU. Prints one JSON object; exit 1 if a
planted card is not named, a healthy one is, or a limit is exceeded.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import fleet_simulation  # noqa: E402

MOST_SECONDS = 60.0
MOST_MIB = 2048


def measure(folder: Path, jobs: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what the merge answered, its seconds, processor seconds and peak MiB)."""
    arguments = [folder, "--inventory", folder / "inventory.txt", "--json", "-o", folder / "rows.csv", "--jobs", jobs]
    command = [sys.executable, "-m", "hwcompat", "fleet", "merge", *map(str, arguments)]
    before, start = _processor_seconds(), time.monotonic()
    with (folder / "answer.txt").open("wb") as answer:
        child = subprocess.Popen(command, stdout=answer, cwd=ROOT)
        peak = 0.0
        while child.poll() is None:
            peak = max(peak, sum(map(_resident_mib, _family(child.pid))))
            time.sleep(0.1)
    used = {"wall_s": time.monotonic() - start, "cpu_s": _processor_seconds() - before, "peak_mib": peak}
    if child.returncode:
        raise SystemExit(f"fleet merge ended with {child.returncode}")
    return json.loads((folder / "answer.txt").read_bytes()), {name: round(value, 1) for name, value in used.items()}


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _family(pid: int) -> list[int]:
    """The process and its descendants (Linux)."""
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _family(int(child))
    except OSError:
        pass
    return found


def _resident_mib(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0


def one_fleet(folder: Path, cards: int, seed: int, each: int, jobs: int) -> dict[str, Any]:
    """The figures of one simulated fleet, and what is wrong with the answer."""
    planted = fleet_simulation.simulate(folder, cards, seed, each)
    size = sum(path.stat().st_size for path in (folder / "shards").iterdir())
    answer, used = measure(folder, jobs)
    wrong = fleet_simulation.complaints(answer, planted)
    told = {"seed": seed, "reports": answer["cards"], "mib": round(size / 2**20), "outliers": len(answer["outliers"])}
    sick = {"planted": len(planted.cards), "slow_nodes": len(planted.slow_nodes), "lost": len(planted.lost)}
    return {**told, **sick, **used, "wrong": wrong[:20]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cards", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--each", type=int, default=6, help="planted cards of each kind")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the simulated fleets are written for the while")
    options = parser.parse_args()
    found = []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            found.append(one_fleet(Path(folder) / "fleet", options.cards, seed, options.each, options.jobs))
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    slow = any(one["cpu_s"] / min(options.jobs, 2) > MOST_SECONDS or one["peak_mib"] > MOST_MIB for one in found)
    machine = {"python": platform.python_version(), "processors": os.cpu_count(), "load": os.getloadavg()}
    print(json.dumps({"cards": options.cards, "jobs": options.jobs, "fleets": found, "machine": machine}, indent=1))
    return 1 if slow or any(one["wrong"] for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
