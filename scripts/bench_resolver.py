#!/usr/bin/env python3
"""How long the resolver takes: the first answer of a process, the next ones, and the whole sweep over gpus.csv.

The sweep is every name of gpus.csv x nine driver branches x three systems x Python 3.8 to 3.15, each asked by itself.
Prints CPU time (other work on the machine does not count) and exits with 1 where a limit is passed: 1 ms for an answer
after the tables are loaded, 60 s for the sweep.

    python scripts/bench_resolver.py [--sample N]     # every Nth name of the sweep (default 1: all)
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hwcompat import resolver, tables
from hwcompat.errors import NoBuildError
from hwcompat.model import Gpu

DRIVERS = ("450", "470", "525", "535", "550", "560", "570", "580", "595")
PLACES = (("linux", "x86_64"), ("linux", "aarch64"), ("windows", "x86_64"))
PYTHONS = tuple(f"3.{minor}" for minor in range(8, 16))
CASES = {
    "RTX 4090": {"driver": "580.65.06"},
    "GTX 1080 Ti, Windows": {"driver": "552.22", "os": "windows"},
    "H100, torch 2.6": {"driver": "560.35.05", "torch": "2.6"},
    "RTX 5090 and GTX 1080 Ti": {"driver": "580.65.06"},
    "Tesla K40c (refused)": {"driver": "470.82.01"},
    "cpu": {"driver": None},
}
LIMIT_MS, LIMIT_S = 1.0, 60.0


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def answer(gpus: tuple[Gpu, ...], known: tables.Tables, **asked: Any) -> None:
    machine = {"os": "linux", "arch": "x86_64", "python": "3.11", **asked}
    with suppress(NoBuildError):
        resolver.resolve(gpus, tables=known, **machine)


def cards(case: str, known: tables.Tables) -> tuple[Gpu, ...]:
    names = case.split(" (")[0].split(",")[0].split(" and ")
    return tuple(gpu for name in names for gpu in tables.resolve_gpu(name, known)[:1])


def single_answers(known: tables.Tables) -> bool:
    fast = True
    for case, asked in CASES.items():
        gpus = cards(case, known)
        first = seconds(lambda gpus=gpus, asked=asked: answer(gpus, known, **asked)) * 1e3
        later = median(seconds(lambda gpus=gpus, asked=asked: answer(gpus, known, **asked)) for _ in range(200)) * 1e3
        fast = fast and later < LIMIT_MS
        print(f"{case:28} first {first:6.3f} ms   median of 200 {later:6.3f} ms")
    return fast


def sweep(known: tables.Tables, step: int) -> float:
    gpus = [
        Gpu(name=card.name, chip=card.chip, compute_capability=card.compute_capability) for card in known.cards[::step]
    ]
    machines = list(itertools.product(PLACES, PYTHONS, DRIVERS))

    def run() -> None:
        for gpu, ((system, arch), python, driver) in itertools.product(gpus, machines):
            answer((gpu,), known, os=system, arch=arch, python=python, driver=driver)

    taken = seconds(run)
    count = len(gpus) * len(machines)
    print(f"sweep: {count} answers in {taken:.1f} s, {taken / count * 1e3:.3f} ms each")
    return taken * step


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=1, help="every Nth name of the sweep")
    step = parser.parse_args().sample
    known = tables.load_tables()
    loading = seconds(lambda: (known.warnings, known.card_index, known.other_gpus)) * 1e3
    print(f"tables loaded in {loading:.0f} ms")
    fast = single_answers(known)
    return 0 if sweep(known, step) < LIMIT_S and fast else 1


if __name__ == "__main__":
    sys.exit(main())
