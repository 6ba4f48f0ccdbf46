"""Compares tools on trainings that are broken in known ways, on the same trainings repaired, and on healthy ones.

    python scripts/bench_diagnose.py [--sets listed second third fourth fifth sixth]
        [--tools hwcompat detect_anomaly DebugUnderflowOverflow] [--seeds 1] [--jobs 2] [--only TEXT]
        [--ledger FILE.jsonl] [--details] [--causes]

Every (scenario, seed, tool) runs in a process of its own with a deadline. DebugUnderflowOverflow needs transformers and
is left out, with a word, where that is not installed. For each set and tool: how often a broken training was detected,
its cause, place and first bad step right, how often a healthy or repaired training raised an alarm, and how often the
machine (hardware, library, compiler) was blamed for what is none of its doing; with 95 % Wilson intervals.

Places count where the cause has one, steps exactly where the damage has a first step and up to the first non-finite
step where it grows. With --ledger each outcome is appended as a line of JSON. Exit code 1 where hwcompat raised a false
alarm or blamed the machine wrongly.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from diagnose_scenarios import SETS, Entry, entries, load, outcome
from diagnose_scenarios.score import Score, count, judge, wilson
from diagnose_scenarios.tools import TOOLS, Verdict, available

QUESTIONS = ("detected", "cause", "place", "step", "phase")
Record = dict[str, Any]


@dataclass(frozen=True)
class Task:
    entry: Entry
    tool: str


# --- one task, in a process of its own --------------------------------------------------------------------------------


def examine(task: Task) -> Record:
    """Run the training once unwatched, for what really happens, and once under the tool."""
    import torch

    torch.set_num_threads(1)
    alone = outcome.run(load(task.entry))
    scenario = load(task.entry)
    started = time.perf_counter()
    try:
        verdict = TOOLS[task.tool](scenario)
    except Exception as problem:
        verdict = Verdict(error=f"{type(problem).__name__}: {problem}")
    until = next((step for step in (alone.first_bad, alone.raised) if step is not None), scenario.steps - 1)
    return record(task, verdict, judge(scenario.expected, verdict, until), scenario, time.perf_counter() - started)


def record(task: Task, verdict: Verdict, score: Score, scenario: Any, seconds: float) -> Record:
    expected = scenario.expected
    return {
        **asdict(task.entry),
        "tool": task.tool,
        "expected": expected.causes[0] if expected else "healthy",
        "wanted": asdict(expected) if expected else None,
        "verdict": asdict(verdict),
        "score": asdict(score),
        "seconds": round(seconds, 3),
    }


def serve(task: Task, pipe: Any) -> None:
    import warnings

    warnings.simplefilter("ignore")
    pipe.send(examine(task))


def silent(task: Task, why: str) -> Record:
    """What a process that died or ran out of time leaves: silence, and the reason."""
    scenario = load(task.entry)
    verdict = Verdict(error=why)
    return record(task, verdict, judge(scenario.expected, verdict, 0), scenario, 0.0)


def work(tasks: Sequence[Task], jobs: int, deadline: float) -> Iterator[Record]:
    """The records as they come, at most `jobs` processes at a time, `deadline` seconds each."""
    import torch
    import torch._dynamo

    torch.set_num_threads(1)
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    waiting, running = list(reversed(tasks)), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            task, (mine, theirs) = waiting.pop(), context.Pipe(duplex=False)
            process = context.Process(target=serve, args=(task, theirs), daemon=True)
            process.start()
            theirs.close()
            running[mine] = (task, process, time.monotonic())
        for pipe in wait(list(running), timeout=1):
            task, process, _ = running.pop(pipe)
            try:
                yield pipe.recv()
            except EOFError:
                process.join()
                yield silent(task, f"the process ended with {process.exitcode}")
            process.join()
        for pipe, (task, process, since) in list(running.items()):
            if time.monotonic() - since > deadline:
                process.kill()
                del running[pipe]
                yield silent(task, f"no answer within {deadline:g} s")


# --- tables -----------------------------------------------------------------------------------------------------------


def cell(answers: Sequence[bool | None]) -> str:
    """`hits/total share [interval]`, or a dash where the question never arose."""
    hits, total = count(answers)
    if not total:
        return "-"
    low, high = wilson(hits, total)
    return f"{hits}/{total} {100 * hits / total:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def totals(records: Sequence[Record]) -> list[str]:
    """A Markdown table, a line a tool."""
    heads = (*QUESTIONS, "false alarms", "machine blamed wrongly")
    lines = ["| tool | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for tool in TOOLS:
        mine = [each["score"] for each in records if each["tool"] == tool]
        if mine:
            cells = [cell([score[question] for score in mine]) for question in (*QUESTIONS, "false_alarm")]
            blamed = f"{sum(score['machine_blamed'] for score in mine)}/{len(mine)}"
            lines.append(f"| {tool} | " + " | ".join([*cells, blamed]) + " |")
    return lines


def by_cause(records: Sequence[Record]) -> list[str]:
    """A Markdown table, a line an expected cause, for hwcompat."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for each in records:
        if each["tool"] == "hwcompat" and each["wanted"]:
            groups[each["expected"]].append(each["score"])
    lines = ["| cause | detected | cause right | place | step |", "|---|---|---|---|---|"]
    for cause, scores in sorted(groups.items()):
        hits = [count([score[question] for score in scores]) for question in ("detected", "cause", "place", "step")]
        lines.append(f"| {cause} | " + " | ".join(f"{good}/{total}" if total else "-" for good, total in hits) + " |")
    return lines


def detail(each: Record) -> str:
    """One line: what was expected, what was said, and what of it was wrong."""
    verdict, score, wanted = each["verdict"], each["score"], each["wanted"]
    wrong = [name for name in QUESTIONS if score[name] is False] + ["FALSE ALARM"] * bool(score["false_alarm"])
    said = "{cause} ({certainty}) step {step} {phase} {module}".format(**verdict) if verdict["detected"] else "silent"
    truth = "{causes} step {step} {phases} {modules}".format(**wanted) if wanted else "healthy"
    name = each["name"] + f"[{each['seed']}]" + ("+repaired" if each["repaired"] else "")
    error = f"; {verdict['error'][:200]}" if verdict["error"] else ""
    return f"- {each['tool']} {each['set']}/{name}: {', '.join(wrong) or 'right'}; wanted {truth}; said {said}{error}"


def report(records: Sequence[Record], details: bool, causes: bool) -> list[str]:
    """The tables of every set."""
    lines = []
    for which in SETS:
        mine = sorted(
            (each for each in records if each["set"] == which), key=lambda e: (e["tool"], e["name"], e["seed"])
        )
        if mine:
            broken = len({(each["name"], each["seed"]) for each in mine if each["wanted"]})
            healthy = len({(each["name"], each["seed"], each["repaired"]) for each in mine if not each["wanted"]})
            lines += [f"\n## {which}: {broken} broken, {healthy} healthy or repaired\n", *totals(mine)]
            lines += ["", *by_cause(mine)] * causes
            lines += ["", *map(detail, mine)] * details
    return lines


# --- command line -----------------------------------------------------------------------------------------------------


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--tools", nargs="+", default=list(TOOLS), choices=TOOLS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--deadline", type=float, default=120.0, help="seconds a run")
    parser.add_argument("--only", default="", help="part of a scenario's name")
    parser.add_argument("--broken-only", action="store_true", help="leave repaired trainings out")
    parser.add_argument("--ledger", type=Path, help="append each outcome to this file, one JSON object a line")
    parser.add_argument("--details", action="store_true", help="a line a run")
    parser.add_argument("--causes", action="store_true", help="a table by cause")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    tools = [tool for tool in args.tools if available(tool)]
    for tool in set(args.tools) - set(tools):
        print(f"{tool} was left out: its package is not installed here", file=sys.stderr)
    chosen = [each for which in args.sets for each in entries(which, args.seeds) if args.only in each.name]
    tasks = [Task(each, tool) for tool in tools for each in chosen if not (args.broken_only and each.repaired)]
    records = []
    for number, each in enumerate(work(tasks, args.jobs, args.deadline), 1):
        records.append(each)
        if args.ledger:
            with args.ledger.open("a", encoding="utf-8") as ledger:
                ledger.write(json.dumps(each) + "\n")
        print(f"\r{number}/{len(tasks)}", end="", file=sys.stderr, flush=True)
    print("\n".join(report(records, args.details, args.causes)))
    mine = [each["score"] for each in records if each["tool"] == "hwcompat"]
    return int(any(score["false_alarm"] or score["machine_blamed"] for score in mine))


if __name__ == "__main__":
    raise SystemExit(main())
