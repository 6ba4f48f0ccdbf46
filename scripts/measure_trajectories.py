"""Measures the distances of healthy training runs from float64 (hwcompat/probes/trajectories.py) over many seeds.

    python scripts/measure_trajectories.py [--runs 200] [--device cpu] [PROBE ...]

Prints, for every train.* probe with moments and each of its dtypes, the line that belongs into the probe's MOMENTS, and
the largest value seen with the share of its limit. Seeds start at 100,000, so that no test, no usual run and none of
scripts/false_alarms.py is among them.
"""

from __future__ import annotations

import argparse
import statistics
import sys

import torch

from hwcompat.probes import catalogue, context, execute, torch_state, trajectories

_FIRST_SEED = 100_000


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("probes", nargs="*", metavar="PROBE")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    for probe in catalogue.listing():
        module = execute.load(probe) if probe.id.startswith("train.") else None
        if module is None or not hasattr(module, "MOMENTS") or (options.probes and probe.id not in options.probes):
            continue
        for dtype in probe.dtypes:
            print(probe.id, measure(probe, module, dtype, options.runs, options.device), flush=True)
    return 0


def measure(probe, module, dtype: str, runs: int, device: str) -> str:
    """The MOMENTS line of one dtype and, behind it, the largest values seen."""
    found = []
    with torch_state.preserved(torch):
        torch_state.judging(torch)
        for seed in range(_FIRST_SEED, _FIRST_SEED + runs):
            ctx = context.Context(torch, device, dtype, probe.id, seed=seed)
            found.append(trajectories.run(ctx, module.NETWORK, module.data(ctx)))
    columns = [[run.free for run in found], [run.gradient for run in found]]
    numbers = [value for column in columns for value in (statistics.mean(column), statistics.stdev(column))]
    limits = [trajectories.limit(*numbers[:2]), trajectories.limit(*numbers[2:])]
    used = [f"{max(c):.3g}, {max(c) / top:.2f} of its limit" for c, top in zip(columns, limits, strict=True)]
    line = ", ".join(f"{number:.3g}" for number in numbers)
    return f'"{dtype}": Moments({line}),  # {runs} runs; largest loss {used[0]}, largest gradient {used[1]}'


if __name__ == "__main__":
    sys.exit(main())
