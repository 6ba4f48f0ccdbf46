"""Runs the whole suite again and again with fresh seeds and counts alarms; on healthy hardware there must be none.

    python scripts/false_alarms.py --runs 300 [--jobs 2] [--ledger FILE] [--device cpu] [--level standard] [--only ID]

A whole run is every probe in every dtype with one seed; SPEED probes are left out, since they judge nothing. What is
counted is what a probe says the first time: a failure that would pass when repeated is an alarm here.

With --ledger every result is kept, beside a hash of the code that gave it (the probe's file and all it imports), and a
later call runs only what is missing: a run is whole when each of its results comes from the code as it is now. Probes
share nothing but the code, and each draws its numbers from its own id and the seed, so that results of one seed make up
the same run whenever they were computed.

Prints the number of whole runs, those with an alarm, and the upper 95 % confidence bound of the alarm rate (Clopper and
Pearson 1934) a run; then the same a result for every rule, and for the training trajectories, whose thresholds alone
are statistical; the largest share of its bound that each INTERVAL probe used; how many results were a FEATURE; and each
alarm. Exit code 1 where there was any.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from math import comb
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import island_code

from hwcompat.probes import catalogue

ALARMS = ("fail", "crash", "error", "hang", "oom")
Outcome = dict[str, Any]
Key = tuple[int, str, str]
"""(seed, probe id, dtype)"""


def main() -> int:
    options = _arguments()
    kind = options.device.partition(":")[0]
    chosen = catalogue.select(catalogue.listing(), options.level, tuple(options.only))
    tasks = [(p, d) for p in chosen if p.rule != "SPEED" and kind in p.devices for d in p.dtypes]
    seeds = range(options.first_seed, options.first_seed + options.runs)
    known = _current(_read(options.ledger), options)
    wanted = {seed: [(p.id, d) for p, d in tasks if (seed, p.id, d) not in known] for seed in seeds}
    started = time.perf_counter()
    for outcome in _computed({s: t for s, t in wanted.items() if t}, options):
        known[outcome["seed"], outcome["probe"], outcome["dtype"]] = outcome
        _append(options.ledger, outcome)
    counted = [known[seed, p.id, d] for seed in seeds for p, d in tasks]
    told = summary(counted, {p.id: p for p in chosen})
    told["seconds of this call"] = round(time.perf_counter() - started, 1)
    print(json.dumps(told, indent=1))
    alarms = [o for o in counted if o["status"] in ALARMS]
    for o in alarms:
        print(f"seed {o['seed']}: {o['probe']} {o['dtype']} {o['status']} {o['case']}: {o['detail']}")
    return 1 if alarms else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--level", default="standard", choices=catalogue.LEVELS)
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--only", action="append", default=[])
    return parser.parse_args()


# --- running ----------------------------------------------------------------------------------------------------------
def _computed(wanted: dict[int, list[tuple[str, str]]], options: argparse.Namespace) -> Iterator[Outcome]:
    """The outcomes of every wanted (probe id, dtype) of every seed, as they come."""
    told = options.device, options.level
    if options.jobs == 1:
        for seed, tasks in wanted.items():
            yield from one_run(seed, tasks, *told)
        return
    # Each job has one thread: two such jobs do more on two cores than one job with two threads.
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(one_run, seed, tasks, *told) for seed, tasks in wanted.items()]
        for future in as_completed(futures):
            yield from future.result()


def one_run(seed: int, tasks: Iterable[tuple[str, str]], device: str, level: str) -> list[Outcome]:
    """What each (probe id, dtype) says under `seed`."""
    import torch

    from hwcompat.probes import execute

    found = []
    for probe_id, dtype in tasks:
        code = code_of(probe_id)  # before it runs: a file that changes meanwhile must not pass for what was run
        result = execute.run(torch, catalogue.find(probe_id), dtype, device, level, seed)
        kept = {name: result[name] for name in ("probe", "dtype", "status", "case", "detail")}
        used = result["data"].get("bound_used")
        places = {"seed": seed, "device": device, "level": level, "torch": torch.__version__, "code": code}
        found.append({**places, **kept, "bound_used": used, "features": len(result["features"])})
    return found


# --- the ledger -------------------------------------------------------------------------------------------------------
def _read(ledger: Path | None) -> list[Outcome]:
    if ledger is None or not ledger.exists():
        return []
    return [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]


def _append(ledger: Path | None, outcome: Outcome) -> None:
    if ledger is not None:
        with ledger.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(outcome) + "\n")


def _current(outcomes: Iterable[Outcome], options: argparse.Namespace) -> dict[Key, Outcome]:
    """Those that today's code gave on this device and level, with this torch."""
    from importlib.metadata import version

    here = {"device": options.device, "level": options.level, "torch": version("torch")}
    current = [o for o in outcomes if all(o[k] == v for k, v in here.items()) and o["code"] == code_of(o["probe"])]
    return {(o["seed"], o["probe"], o["dtype"]): o for o in current}


@cache
def code_of(probe_id: str) -> str:
    """The digest of the code that gives the probe's results; "" where the probe is gone."""
    try:
        path = Path(catalogue.find(probe_id).path)
    except KeyError:
        return ""
    return island_code.digest_of(path)


# --- counting ---------------------------------------------------------------------------------------------------------
def summary(outcomes: list[Outcome], probes: dict[str, catalogue.Probe]) -> dict[str, Any]:
    """Counts and bounds of whole runs, and of results by rule."""
    runs: dict[int, bool] = defaultdict(bool)
    for o in outcomes:
        runs[o["seed"]] |= o["status"] in ALARMS
    kinds: dict[str, Callable[[catalogue.Probe], bool]] = {
        rule: (lambda probe, rule=rule: probe.rule == rule) for rule in ("EXACT", "INTERVAL", "FEATURE")
    }
    kinds["trajectories"] = lambda probe: probe.id.startswith("train.")
    return {
        "whole runs": len(runs),
        "runs with an alarm": sum(runs.values()),
        "upper 95 % bound a run": upper_bound(sum(runs.values()), len(runs)),
        "results": dict(Counter(o["status"] for o in outcomes)),
        "passes with a legal variation in one case": sum(o["status"] == "pass" and o["features"] > 0 for o in outcomes),
        "by rule": {
            kind: _of_kind([o for o in outcomes if holds(probes[o["probe"]])]) for kind, holds in kinds.items()
        },
        "largest share of its bound": _largest_shares(outcomes),
    }


def _of_kind(outcomes: list[Outcome]) -> dict[str, Any]:
    judged = [o for o in outcomes if o["status"] not in ("skipped", "unsupported")]
    alarms = sum(o["status"] in ALARMS for o in judged)
    return {
        "judged": len(judged),
        "alarms": alarms,
        "upper 95 % bound a result": upper_bound(alarms, len(judged)) if judged else None,
    }


def _largest_shares(outcomes: list[Outcome]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for o in outcomes:
        if o["bound_used"] is not None and o["status"] == "pass":
            name = f"{o['probe']} {o['dtype']}"
            shares[name] = max(shares.get(name, 0.0), o["bound_used"])
    return dict(sorted(shares.items()))


def upper_bound(events: int, trials: int) -> float:
    """The one-sided 95 % bound of a rate after `events` in `trials` (Clopper-Pearson), by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        seen = sum(comb(trials, k) * middle**k * (1 - middle) ** (trials - k) for k in range(events + 1))
        low, high = (middle, high) if seen > 0.05 else (low, middle)
    return float(f"{high:.3g}")


if __name__ == "__main__":
    sys.exit(main())
