"""Runs the whole suite again and again with fresh seeds on this machine and counts alarms; on healthy hardware: none.

    python scripts/false_alarms.py [--runs 20] [--device cpu] [--level standard] [--first-seed 1000]

A run is every probe in every dtype, in this process; SPEED probes are left out, since they judge nothing. With no alarm
in n runs the alarm rate a run is below 1 - 0.05**(1/n) with 95 % confidence. Prints one JSON object, then each alarm.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import torch

from hwcompat.probes import catalogue, execute

ALARMS = ("fail", "crash", "error", "hang")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--level", default="standard", choices=catalogue.LEVELS)
    parser.add_argument("--first-seed", type=int, default=1000)
    options = parser.parse_args()
    kind = options.device.partition(":")[0]
    chosen = catalogue.select(catalogue.listing(), options.level)
    tasks = [(p, d) for p in chosen if p.rule != "SPEED" and kind in p.devices for d in p.dtypes]
    started = time.perf_counter()
    counts: dict[str, int] = {}
    alarms: list[str] = []
    sick: set[int] = set()
    for seed in range(options.first_seed, options.first_seed + options.runs):
        for probe, dtype in tasks:
            found = execute.run(torch, probe, dtype, options.device, options.level, seed)
            counts[found["status"]] = counts.get(found["status"], 0) + 1
            if found["status"] in ALARMS:
                sick.add(seed)
                alarms.append(f"seed {seed}: {probe.id} {dtype} {found['status']} {found['case']}: {found['detail']}")
    bound = None if alarms else round(1 - 0.05 ** (1 / options.runs), 5)
    told = {"runs": options.runs, "runs_with_alarm": len(sick), "results": counts, "bound_95": bound}
    print(json.dumps({**told, "seconds": round(time.perf_counter() - started, 1), "torch": torch.__version__}))
    print("\n".join(alarms))
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
