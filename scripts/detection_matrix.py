"""Runs faults against probes on a healthy CPU and prints what is caught, by what, and what is missed.

    python scripts/detection_matrix.py --set listed [--score] [--faults GLOB ...] [--markdown FILE] [--json FILE]
    python scripts/detection_matrix.py --set second --score [--held-out] [--folder DIR] [--split FILE]
    python scripts/detection_matrix.py --set operators --score --gaps FILE

Sets: `listed`, the documented faults of hwcompat/probes/simulate; `second`, faults by other authors in
tests/faults_second; `operators`, made-up changes of every operator of tests/faults/operators.csv. A fault is caught by
a probe whose status is fail, crash, hang, oom or flaky, or by the verdict slow. Without --score every probe that can
notice is run and the table is printed; with it a fault is done at its first catch.

Beside the score stand three baselines, written from their descriptions and run on a small detection net of our own with
random weights (no weights are downloaded, so their scores are indicative): a forward-only comparison of fp32 with
autocast on boxes, confidence and class with an absolute tolerance of 0.5, as Ultralytics' check_amp makes it; whether
any output is NaN; whether all are, as the A1111 web UI asks.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import detection_baselines as baselines
import detection_faults as faults_of
import detection_report as report
import detection_run as running
import island_code
from detection_faults import Fault
from detection_run import Job, Memory, Outcome, Task

from hwcompat.probes import catalogue

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Suite:
    """The probes that may notice something, and what each calls on a healthy machine."""

    digests: dict[str, str]
    healthy: dict[Task, Outcome] = field(default_factory=dict)
    outdated: set[Task] = field(default_factory=set)
    """Tasks whose probe has changed since: `healthy` says what it called then, for choosing probes alone."""

    @property
    def usable(self) -> list[Task]:
        """Tasks without an alarm on the healthy machine, the quickest first."""
        fine = [task for task, found in self.healthy.items() if found.status in ("pass", "feature")]
        return sorted(fine, key=lambda task: self.healthy[task].seconds)

    @property
    def alarms(self) -> dict[Task, Outcome]:
        return {
            task: found
            for task, found in self.healthy.items()
            if found.status not in ("pass", "feature", "skipped", "unsupported")
        }

    def calling(self, names: Any, dtypes: Sequence[str]) -> list[Task]:
        wanted = {(name, dtype) for name in names for dtype in dtypes}
        return [task for task in self.usable if any(tuple(c) in wanted for c in self.healthy[task].calls)]


def suite(options: argparse.Namespace, memory: Memory) -> Suite:
    """The suite with its healthy outcomes, from memory where nothing changed.

    With --score what a probe called before it changed is good enough to choose probes by; see `believe`.
    """
    probes = [
        probe
        for probe in catalogue.select(catalogue.listing(), options.level, tuple(options.only))
        if probe.rule != "SPEED" and "cpu" in probe.devices
    ]
    made = Suite({probe.id: island_code.digest_of(Path(probe.path)) for probe in probes})
    tasks = [
        (probe.id, dtype)
        for probe in probes
        for dtype in probe.dtypes
        if not options.dtypes or dtype in options.dtypes or dtype not in ("float32", "float16", "bfloat16")
    ]
    missing = []
    for task in tasks:
        known = memory.get(key(running.HEALTHY, made, task, options.level))
        before = memory.get(latest(task, options.level)) if options.score else None
        if known:
            made.healthy[task] = known
        elif before:
            made.healthy[task] = before
            made.outdated.add(task)
        else:
            missing.append(task)
    run_healthy(missing, made, memory, options)
    return made


def run_healthy(tasks: Iterable[Task], made: Suite, memory: Memory, options: argparse.Namespace) -> None:
    jobs = [Job(None, [task], False) for task in tasks]
    tell(f"{len(jobs)} of {len(made.healthy) + len(jobs)} tasks to run on the healthy machine")
    for _, task, found in running.work(jobs, options.level, options.jobs):
        made.healthy[task] = found
        made.outdated.discard(task)
        memory.put(key(running.HEALTHY, made, task, options.level), found)
        memory.put(latest(task, options.level), found)


def latest(task: Task, level: str) -> str:
    return f"calls {task[0]} {task[1]} {level}"


def believe(
    found: dict[str, dict[Task, Outcome]], made: Suite, memory: Memory, options: argparse.Namespace
) -> dict[str, dict[Task, Outcome]]:
    """`found` without the catches of probes that raise an alarm on the healthy machine as well."""
    catching = {task for outcomes in found.values() for task, outcome in outcomes.items() if outcome.caught}
    run_healthy(sorted(catching & made.outdated), made, memory, options)
    loud = set(made.alarms)
    return {
        name: {task: outcome for task, outcome in outcomes.items() if task not in loud}
        for name, outcomes in found.items()
    }


def key(fault_digest: str, made: Suite, task: Task, level: str) -> str:
    return f"{fault_digest} {made.digests[task[0]]} {task[0]} {task[1]} {level}"


# --- which probes for which fault -------------------------------------------------------------------------------------


def candidates(fault: Fault, made: Suite, torch: Any, catchers: dict[str, int]) -> list[Task]:
    """The tasks that may notice `fault`: those that call what it declares to touch, else all; the likeliest first."""
    try:
        touches = getattr(fault.make(torch), "touches", None)
    except Exception:
        touches = None
    if touches:
        chosen = made.calling(*touches)
        return sorted(chosen, key=lambda task: made.healthy[task].seconds / (1 + catchers.get(task[0], 0)))
    words = faults_of.words_of(fault)

    def likely(task: Task) -> tuple[int, float]:
        named = {name for name, _ in made.healthy[task].calls} & words
        return -len(named), made.healthy[task].seconds

    return sorted(made.usable, key=likely)


def run(
    faults: list[Fault], made: Suite, memory: Memory, options: argparse.Namespace
) -> dict[str, dict[Task, Outcome]]:
    """Outcomes by fault and task; with --score a fault ends at its first catch."""
    import torch

    found: dict[str, dict[Task, Outcome]] = {}
    catchers: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for wave, group in sorted(waves(faults).items()):
        jobs = []
        for fault in group:
            if fault.is_environment:
                found[fault.name] = in_workers(fault, memory, options)
                continue
            tasks = candidates(fault, made, torch, catchers[subject(fault)])
            known = {task: memory.get(key(fault.digest, made, task, options.level)) for task in tasks}
            found[fault.name] = {task: outcome for task, outcome in known.items() if outcome}
            for task, outcome in found[fault.name].items():
                catchers[subject(fault)][task[0]] += outcome.caught
            done = options.score and any(outcome.caught for outcome in found[fault.name].values())
            left = [task for task in tasks if known[task] is None]
            if left and not done:
                jobs.append(Job(fault, left, options.score))
        tell(f"{wave}: {len(group)} faults, {len(jobs)} to run")
        for job, task, outcome in counted(running.work(jobs, options.level, options.jobs), len(jobs)):
            assert job.fault is not None
            found[job.fault.name][task] = outcome
            catchers[subject(job.fault)][task[0]] += outcome.caught
            memory.put(key(job.fault.digest, made, task, options.level), outcome)
    return found


def waves(faults: list[Fault]) -> dict[str, list[Fault]]:
    """The operators set one change after the other, so that the first shows which probe judges which operator."""
    found: dict[str, list[Fault]] = defaultdict(list)
    for fault in faults:
        change = fault.name.rpartition("/")[2] if "/" in fault.name else ""
        found["0" if change == "nan_last" else change].append(fault)
    return found


def subject(fault: Fault) -> str:
    return fault.name.rpartition("/")[0]


def in_workers(fault: Fault, memory: Memory, options: argparse.Namespace) -> dict[Task, Outcome]:
    """As `environment`, remembered by the fault's code alone."""
    mark = f"{fault.digest} environment"
    known = memory.get(mark)
    if known is None:
        outcomes = running.environment(fault, options.level)
        task, known = next(((t, o) for t, o in outcomes.items() if o.caught), next(iter(outcomes.items())))
        known.case = " ".join(task)
        memory.put(mark, known)
    probe, _, dtype = known.case.partition(" ")
    return {(probe, dtype): known}


def counted(outcomes: Any, jobs: int) -> Any:
    seen, started, last = set(), time.monotonic(), time.monotonic()
    for job, task, outcome in outcomes:
        seen.add(job.fault.name)
        if time.monotonic() - last > 30:
            last = time.monotonic()
            tell(f"{len(seen)} of {jobs} faults begun, {last - started:.0f} s")
        yield job, task, outcome


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- the program ------------------------------------------------------------------------------------------------------


def faults_for(options: argparse.Namespace) -> list[Fault]:
    makers: dict[str, Callable[[], list[Fault]]] = {
        "listed": faults_of.listed,
        "operators": faults_of.operators,
        "second": lambda: faults_of.second(options.folder, options.split, options.held_out),
    }
    names = list(makers) if options.set == "all" else [options.set]
    return faults_of.chosen(itertools.chain.from_iterable(makers[name]() for name in names), options.faults)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--set", choices=["listed", "second", "operators", "all"], default="listed")
    made.add_argument("--faults", nargs="*", default=[], metavar="GLOB")
    made.add_argument("--only", nargs="*", default=[], metavar="PROBE", help="probe ids or families")
    made.add_argument("--dtypes", nargs="*", default=[], metavar="DTYPE", help="default: every dtype of each probe")
    made.add_argument("--level", choices=catalogue.LEVELS, default="standard")
    made.add_argument("--score", action="store_true", help="stop at each fault's first catch")
    made.add_argument("--held-out", action="store_true", help="include the held-out part of the second set")
    made.add_argument("--folder", type=Path, default=faults_of.SECOND, help="where the second set is")
    made.add_argument("--split", type=Path, help="names of its held-out part, one a line")
    made.add_argument("--no-baselines", action="store_true")
    made.add_argument("--jobs", type=int, default=1)
    made.add_argument("--cache", type=Path, default=ROOT / "build" / "detection.sqlite3")
    made.add_argument("--json", type=Path)
    made.add_argument("--markdown", type=Path)
    made.add_argument("--witnesses", type=Path, help="write the cheapest probe that catches each fault, as CSV")
    made.add_argument("--gaps", type=Path, help="operators set: write what nothing covers, by family")
    return made


def main(argv: list[str] | None = None) -> int:
    options = parser().parse_args(argv)
    memory = Memory(options.cache)
    made = suite(options, memory)
    faults = faults_for(options)
    found = believe(run(faults, made, memory, options), made, memory, options)
    wanted = [] if options.no_baselines or options.set == "operators" else [f for f in faults if not f.is_environment]
    beside = baselines.scores(wanted, memory)
    result = report.Result(options.set, options.score, faults, made, found, beside)
    print(report.text(result))
    if options.markdown:
        options.markdown.write_text(report.markdown(result), encoding="utf-8")
    if options.json:
        options.json.write_text(json.dumps(report.as_json(result), indent=1) + "\n", encoding="utf-8")
    if options.witnesses:
        options.witnesses.write_text(report.witnesses(result), encoding="utf-8")
    if options.gaps:
        options.gaps.write_text(report.gaps(result), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
