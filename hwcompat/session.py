"""One worker process, followed from its start to its end: who was running, for how long, and how it ended.

The protocol is described in probes/__main__.py. Whatever happens becomes a Result; the probe that had begun and not
ended is the culprit.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import child as children
from .errors import MachineError
from .model import Result
from .probes import catalogue

Task = tuple[catalogue.Probe, str]
Event = Mapping[str, Any]

START_SECONDS = 120.0  # importing torch from a cold network folder takes more than a minute
PREFLIGHT_SECONDS = 120.0  # a first CUDA start may compile kernels for a card newer than the build
SHORTEST_DEADLINE = 30.0  # seconds that even the smallest probe may take: somebody else may be using the machine
DEADLINE_FACTOR = {"quick": 20.0, "standard": 20.0, "full": 100.0}  # times the probe's SECONDS, which are for standard

WORKER = Path(catalogue.__file__).with_name("__main__.py")
_MEMORY = re.compile(r"bad_alloc|out of memory|cannot allocate memory|MemoryError", re.IGNORECASE)
_PAUSES = (0.01, 0.05)  # seconds between looks at the worker's file: the first, and the longest


@dataclass(frozen=True)
class Settings:
    """What every worker of a run is told, and how to tell the run what happens."""

    python: str
    device: str
    level: str
    seed: int
    simulate: str | None
    folder: str
    timeout: float | None  # seconds a group of probes may take
    memory_limit: int | None  # bytes
    observe: Callable[[Event], None]
    load_seconds: float | None = None  # how long a load test lasts in one dtype
    paired: bool = False  # another worker computes at the same time: half the processor's threads each


class CannotRunError(Exception):
    """No probe could begin in a new process. `again`: another try may help."""

    def __init__(self, message: str, hint: str = "", again: bool = False) -> None:
        super().__init__(message)
        self.message, self.hint, self.again = message, hint, again


class GroupClock:
    """The time a group may take, running from its first preflight on; without a limit it never ends."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.end = float("inf")

    def start(self) -> None:
        if self.seconds is not None and self.end == float("inf"):
            self.end = time.monotonic() + self.seconds

    def over(self) -> bool:
        return time.monotonic() >= self.end


@dataclass
class _State:
    """Where a worker is: the phase decides which deadline counts and who is to blame."""

    phase: str = "start"  # start, preflight, between, task
    since: float = 0.0
    index: int = -1  # the task that has begun last
    case: str = ""
    output_at: int = 0  # size of the output when it began
    slowness: float = 1.0
    alive: float = 0.0  # when the probe last showed that it goes on

    def enter(self, phase: str) -> None:
        self.phase, self.since = phase, time.monotonic()
        self.alive = self.since

    def elapsed(self) -> float:
        return time.monotonic() - self.since


class Ahead:
    """A worker that was started before its turn. To enter it is to give it its turn.

    Until then it imports torch and waits; a paired one goes on at once, and is only read when its turn comes.
    """

    def __init__(self, tasks: Sequence[Task], settings: Settings) -> None:
        job = {**_job(tasks, settings), "wait": not settings.paired}
        self._stack = contextlib.ExitStack()
        self._worker = self._stack.enter_context(working(job, settings.python, settings.memory_limit))

    def __enter__(self) -> tuple[children.Child, Path]:
        from .probes import worker

        _, out = self._worker
        out.with_name(worker.GO).touch()
        return self._worker

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker, whether or not its turn has come."""
        self._stack.close()


def follow(
    tasks: Sequence[Task], settings: Settings, clock: GroupClock, ahead: Ahead | None = None
) -> Iterator[tuple[int, Result]]:
    """(index, Result) for the tasks that one process settles: at least one, or CannotRunError.

    `ahead`: the process, if it was started before.
    """
    settled = 0
    state = _State(since=time.monotonic())
    with ahead or working(_job(tasks, settings), settings.python, settings.memory_limit) as (child, out):
        for event in events(child, out):
            if event is not None:
                settings.observe(event)
                if _advance(state, event, clock, child, settings):
                    settled += 1
                    yield state.index, result_of(event, *tasks[state.index])
            elif _overdue(state, tasks, settings, clock):
                children.kill(child)
                if state.phase == "task":
                    yield state.index, _cut_off(state, *tasks[state.index], settings, clock)
                elif not settled:
                    raise CannotRunError(f"the worker did not get past its {state.phase} in {state.elapsed():.0f} s")
                return
        if state.phase == "task":
            yield state.index, _died(state, *tasks[state.index], child)
        elif not settled:
            raise CannotRunError(f"the worker ended before any probe began: {how_it_ended(child, 0)}", again=True)


def _job(tasks: Sequence[Task], settings: Settings) -> dict[str, Any]:
    return {
        "job": "probes",
        "device": settings.device,
        "folder": settings.folder,
        "tasks": [[probe.id, dtype] for probe, dtype in tasks],
        "level": settings.level,
        "seed": settings.seed,
        "simulate": settings.simulate,
        "memory_limit": settings.memory_limit,
        "load_seconds": settings.load_seconds,
        "paired": settings.paired,
    }


def _advance(state: _State, event: Event, clock: GroupClock, child: children.Child, settings: Settings) -> bool:
    """Follow one event; True when it is the Result of the task that has begun."""
    word = event["event"]
    if word == "refused":
        raise _refusal(event, child, settings)
    if word == "ready":
        state.enter("preflight")
    elif word == "preflight":
        if not event["ok"]:
            hint = "`hwcompat env` shows what blocks; `--device cpu` tests the processor instead"
            raise CannotRunError(f"{settings.device} does not answer: {event['error']}", hint)
        state.slowness = event["slowness"]
        state.enter("between")
        clock.start()
    elif word == "begin":
        state.index, state.case, state.output_at = event["index"], "", child.output.stat().st_size
        state.enter("task")
    elif word == "case":
        state.case = event["label"]
    elif word == "progress":
        state.alive = time.monotonic()
    elif word == "end" and state.phase == "task" and event.get("index") == state.index:
        state.enter("between")
        return True
    return False


def _refusal(event: Event, child: children.Child, settings: Settings) -> CannotRunError:
    from .probes import worker

    with contextlib.suppress(Exception):
        child.process.wait(10)
    if child.process.poll() == worker.NO_SIMULATION:
        return CannotRunError(f"{settings.simulate} cannot be simulated here: {event['error']}", "use a newer torch")
    if child.process.poll() == worker.NO_TORCH:
        hint = f"install torch there, or name another interpreter with --python: {settings.python}"
        return CannotRunError(f"torch cannot be imported: {event['error']}", hint)
    return CannotRunError(str(event["error"]), "name another interpreter with --python")


def _overdue(state: _State, tasks: Sequence[Task], settings: Settings, clock: GroupClock) -> bool:
    if state.phase == "task":
        silent = time.monotonic() - state.alive
        return silent > _deadline(state, tasks[state.index][0], settings) or clock.over()
    limits = {"start": START_SECONDS, "preflight": PREFLIGHT_SECONDS, "between": SHORTEST_DEADLINE}
    return state.elapsed() > limits[state.phase]


def _deadline(state: _State, probe: catalogue.Probe, settings: Settings) -> float:
    """Seconds after which a probe counts as hanging, by the machine's measured speed."""
    usual: float = probe.seconds * state.slowness
    return max(SHORTEST_DEADLINE, usual * DEADLINE_FACTOR[settings.level])


@contextlib.contextmanager
def working(
    job: Mapping[str, Any], python: str, memory_limit: int | None = None
) -> Iterator[tuple[children.Child, Path]]:
    """A running worker and the file it writes; both are gone afterwards, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="hwcompat-"))
    try:
        out = folder / "out.jsonl"
        out.touch()
        text = json.dumps({**job, "parent": os.getpid(), "scratch": str(folder)})
        (folder / "job.json").write_text(text, encoding="utf-8", newline="\n")
        # absolute(), not resolve(): a virtual environment's python is a link to the python of another environment.
        program = str(Path(python).absolute()) if "/" in python or os.sep in python else python
        command = [program, str(WORKER), str(folder / "job.json"), str(out)]
        try:
            child = children.start(command, folder, memory_limit)
        except (OSError, ValueError) as error:
            text = getattr(error, "strerror", None) or str(error)
            raise MachineError(f"cannot start {python!r}: {text}", "name another interpreter with --python") from error
        try:
            yield child, out
        finally:
            children.kill(child)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def events(child: children.Child, out: Path) -> Iterator[Event | None]:
    """Every line as it comes, None once everything was read so far; ends when the process is dead and its file read."""
    rest, pause = b"", _PAUSES[0]
    with out.open("rb") as handle:
        while True:
            dead = child.process.poll() is not None  # asked before reading, or its last words could be missed
            data = handle.read()
            if data:
                *lines, rest = (rest + data).split(b"\n")
                yield from filter(None, map(_event, lines))
                yield None
                pause = _PAUSES[0]
            elif dead:
                return
            else:
                yield None
                time.sleep(pause)
                pause = min(_PAUSES[1], pause * 1.5)


def _event(line: bytes) -> Event | None:
    """A line of the protocol, None for anything else."""
    with contextlib.suppress(ValueError):
        found = json.loads(line)
        if isinstance(found, dict) and isinstance(found.get("event"), str):
            return found
    return None


# --- results ----------------------------------------------------------------------------------------------------------


def result_of(found: Mapping[str, Any], probe: catalogue.Probe, dtype: str) -> Result:
    """A Result from what execute.run gives; counts and legal variations go into its data."""
    data = {**found["data"], "checked": found["checked"]}
    if found["features"]:
        data["features"] = list(found["features"])
    return Result(
        probe=probe.id,
        dtype=dtype,
        status=found["status"],
        case=found["case"],
        detail=children.without_folders(found["detail"]),
        seconds=found["seconds"],
        failed_cases=tuple(found["failed_cases"]),
        skipped_cases=tuple(children.without_folders(text) for text in found["skipped_cases"]),
        cases=found["cases"],
        data=data,
        digest=found["digest"],
        version=found["version"],
    )


def skipped(probe: catalogue.Probe, dtype: str, reason: str) -> Result:
    return Result(probe.id, dtype, "skipped", detail=children.without_folders(reason), version=probe.version)


def _cut_off(state: _State, probe: catalogue.Probe, dtype: str, settings: Settings, clock: GroupClock) -> Result:
    """`hang`, or `skipped` where only the group's time ran out before the probe had the time it usually takes."""
    seconds = state.elapsed()
    if clock.over() and seconds < probe.seconds * state.slowness:
        return skipped(probe, dtype, f"its group's {settings.timeout:g} s were used up")
    detail = f"no answer for {seconds:.1f} s"
    return Result(probe.id, dtype, "hang", state.case, detail, round(seconds, 3), version=probe.version)


def _died(state: _State, probe: catalogue.Probe, dtype: str, child: children.Child) -> Result:
    """`crash`, or `oom` where memory had run out."""
    detail = how_it_ended(child, state.output_at)
    status = "oom" if children.killed_for_memory(child) or _MEMORY.search(detail) else "crash"
    failed = (state.case,) if state.case else ()
    seconds = round(state.elapsed(), 3)
    return Result(probe.id, dtype, status, state.case, detail, seconds, failed_cases=failed, version=probe.version)


def how_it_ended(child: children.Child, since: int) -> str:
    """ "SIGSEGV: Fatal Python error: Segmentation fault | ..."."""
    with contextlib.suppress(Exception):
        child.process.wait(10)
    code = child.process.poll()
    words = children.last_words(child.output, since)
    return ("still running" if code is None else children.ending(code)) + (f": {words}" if words else "")
