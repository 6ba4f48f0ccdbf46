"""Runs (fault, probe, dtype) triples for scripts/detection_matrix.py, and remembers what came of each.

A fault runs in a forked child of its own, so that it can neither poison another's caches nor end the run; a probe stops
at its first bad case. Results are kept in a SQLite file under a digest of the fault's code and of the probe's code with
all that it imports, so that a repeated run does only what changed.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from detection_faults import Fault

from hwcompat.probes import catalogue, context, execute, torch_state

CAUGHT = ("fail", "crash", "hang", "oom", "flaky")
FAULT_SECONDS = 240.0
"""A child that is silent for so long hangs."""

Task = tuple[str, str]  # probe id, dtype
HEALTHY = "healthy"


@dataclass
class Outcome:
    """What one probe in one dtype said: status, first bad case, and whether the fault altered anything on the way."""

    status: str
    case: str = ""
    detail: str = ""
    hits: int | None = None
    seconds: float = 0.0
    calls: list[list[str]] = field(default_factory=list)

    @property
    def caught(self) -> bool:
        return self.status in CAUGHT


# --- what is known already --------------------------------------------------------------------------------------------


class Memory:
    """Outcomes by (fault digest, probe digest, dtype, level)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=60)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("create table if not exists outcome (key text primary key, value text)")

    def get(self, key: str) -> Outcome | None:
        row = self._db.execute("select value from outcome where key = ?", (key,)).fetchone()
        return Outcome(**json.loads(row[0])) if row else None

    def put(self, key: str, outcome: Outcome) -> None:
        """Remember `outcome`, unless it says nothing about the probe."""
        if outcome.status == "broken":
            return
        self._db.execute("insert or replace into outcome values (?, ?)", (key, json.dumps(outcome.__dict__)))
        self._db.commit()


# --- one task in this process -----------------------------------------------------------------------------------------


def run_task(torch: Any, probe: catalogue.Probe, dtype: str, mode: Any, level: str, seed: int = 0) -> Outcome:
    """Up to the first bad case of `probe` under `mode`."""
    started = time.perf_counter()
    found = Outcome("pass")
    with mode, torch_state.preserved(torch):
        torch_state.judging(torch)
        for label, status, detail in judgements(torch, probe, dtype, level, seed):
            if status in (*CAUGHT, "error"):
                found = Outcome(status, label, detail)
                break
            if found.status == "pass" and status == "feature":
                found = Outcome(status, label, detail)
    hits = getattr(mode, "hits", None)
    found.hits, found.seconds = (hits[0] if hits else None), round(time.perf_counter() - started, 3)
    return found


def judgements(torch: Any, probe: catalogue.Probe, dtype: str, level: str, seed: int) -> Iterator[tuple[str, str, str]]:
    """(label, status, detail) a case; an exception has the status that execute gives it."""
    label = "set-up"
    try:
        cases = iter(execute.load(probe).cases(context.Context(torch, "cpu", dtype, probe.id, level, seed)))
        while True:
            label = "set-up"
            label, function = next(cases)
            try:
                judged = function()
                yield label, judged.status, judged.detail[:300]
            except (Exception, SystemExit) as error:
                yield label, execute.classify(error), f"{type(error).__name__}: {error}"[:300]
    except StopIteration:
        return
    except (Exception, SystemExit) as error:
        yield label, execute.classify(error), f"{type(error).__name__}: {error}"[:300]


def recorder(torch: Any, calls: set[tuple[str, str]]) -> Any:
    """A mode that notes (operator, dtype) for every floating-point operand and result up to 32 bits.

    And (operator/result/change, dtype) for every change of simulate/_mutation.py that would alter that result.
    """
    from hwcompat.probes.simulate import _dispatch, _mutation

    names: dict[Any, str] = {}
    seen: set[Any] = set()

    def note(name: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        operands = _dispatch.tensors(torch, (args, kwargs))
        mark = (func, *[(t.dtype, t.shape, t.stride()) for t in operands])
        if mark in seen and (mark, 2) in seen:
            return out
        seen.add((mark, 2) if mark in seen else mark)
        plain = _dispatch.base_name(name)
        written = out if out is not None else _dispatch.written_to(func, args)
        for number, result in enumerate(_mutation.results_of(torch, func, written)):
            dtype = names.setdefault(result.dtype, str(result.dtype).replace("torch.", ""))
            before = (f"{plain}/{number}/nan_last", dtype) in calls
            for change in _mutation.applicable(torch, result, operands, before) if result.numel() else ():
                calls.add((f"{plain}/{number}/{change}", dtype))
        for tensor in (*operands, *_dispatch.tensors(torch, out)):
            if tensor.is_floating_point() and tensor.element_size() <= 4:
                calls.add((plain, names.setdefault(tensor.dtype, str(tensor.dtype).replace("torch.", ""))))
        return out

    return _dispatch.after_each(torch, note)


# --- children ---------------------------------------------------------------------------------------------------------


@dataclass
class Job:
    """A fault (None: healthy, recorded) and the tasks to run under it, in order."""

    fault: Fault | None
    tasks: list[Task]
    first_only: bool


def work(jobs: Sequence[Job], level: str, processes: int) -> Iterator[tuple[Job, Task, Outcome]]:
    """Every outcome as it comes; a child that dies or hangs gives that outcome and its job goes on without the task."""
    import torch

    torch.set_num_threads(1)
    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)  # imports what each child would import again
    waiting = list(reversed(jobs))
    running: dict[Any, _Child] = {}
    while waiting or running:
        while waiting and len(running) < processes:
            child = _Child(torch, waiting.pop(), level)
            running[child.pipe] = child
        for pipe in wait(list(running), timeout=5):
            yield from _listen(running, pipe, waiting)
        for pipe, child in list(running.items()):
            if time.monotonic() - child.heard > FAULT_SECONDS:
                yield from _end(running, pipe, waiting, "hang")


class _Child:
    def __init__(self, torch: Any, job: Job, level: str) -> None:
        fork = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
        self.job, self.left, self.heard = job, list(job.tasks), time.monotonic()
        self.pipe, theirs = fork.Pipe(duplex=False)
        self.process = fork.Process(target=_serve, args=(torch, job, level, theirs), daemon=True)
        self.process.start()
        theirs.close()


def _serve(torch: Any, job: Job, level: str, pipe: Any) -> None:
    """The child's side: (task, Outcome as dict) a task, then None."""
    import faulthandler
    import os

    faulthandler.disable()
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  # lives as long as the process
    for probe_id, dtype in job.tasks:
        calls: set[tuple[str, str]] = set()
        try:
            mode = recorder(torch, calls) if job.fault is None else job.fault.make(torch)
            found = run_task(torch, catalogue.find(probe_id), dtype, mode, level)
        except Exception as error:
            found = Outcome("broken", "", f"{type(error).__name__}: {error}"[:300])
        found.calls = sorted(map(list, calls))
        pipe.send(((probe_id, dtype), found.__dict__))
        if job.first_only and found.caught:
            break
    pipe.send(None)
    pipe.close()


def _listen(running: dict[Any, _Child], pipe: Any, waiting: list[Job]) -> Iterator[tuple[Job, Task, Outcome]]:
    child = running[pipe]
    child.heard = time.monotonic()
    try:
        message = pipe.recv()
    except EOFError:
        yield from _end(running, pipe, waiting, "crash")
        return
    if message is None:
        child.process.join()
        del running[pipe]
        return
    task, fields = message
    child.left.remove(task)
    yield child.job, task, Outcome(**fields)


def _end(running: dict[Any, _Child], pipe: Any, waiting: list[Job], status: str) -> Iterator[tuple[Job, Task, Outcome]]:
    """The child died or is silent: its current task is the culprit."""
    child = running.pop(pipe)
    with contextlib.suppress(OSError):
        child.process.kill()
    child.process.join()
    if not child.left:
        return
    culprit = child.left.pop(0)
    if child.left and not child.job.first_only:
        waiting.append(Job(child.job.fault, child.left, False))
    yield child.job, culprit, Outcome(status, "", f"the process ended with {child.process.exitcode}")


# --- faults of the environment ----------------------------------------------------------------------------------------


def environment(fault: Fault, level: str, report: Callable[[str], None] = print) -> dict[Task, Outcome]:
    """hang, crash, out of memory: in a worker process as `hwcompat probe` runs them; slow: the verdict on speed."""
    import hwcompat
    from hwcompat import runner

    if "slow" in fault.name:
        # `slow` means correct and slow, so something must have shown that it is correct.
        needed = ("speed", "matmul.integer", "matmul.linear", "conv.forward")
        told = hwcompat.probe("cpu", only=needed, isolate=False, simulate=fault.name)
        slow = told.verdict("fp16") == "slow" or told.verdict("bf16") == "slow"
        return {("speed.gemm", "float16"): Outcome("hang" if slow else "pass", "", "verdict slow" if slow else "")}
    found = {}
    tasks = [(catalogue.find("matmul.integer"), "float16"), (catalogue.find("conv.forward"), "float16")]
    for result in runner.run(
        tasks, python=sys.executable, device="cpu", level=level, seed=0, simulate=fault.name, timeout=40.0
    ):
        found[result.probe, result.dtype] = Outcome(result.status, result.case, result.detail[:300])
    return found
