"""Runs probes in worker processes and turns whatever happens there into Results: a value each, never a lost run.

One process serves a group of probes; when it dies or hangs, the culprit gets that as its Result and a new process goes
on with the rest. A failure is repeated before it is believed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from . import child as children
from . import session
from .errors import HwcompatError, MachineError, UsageError
from .model import Result
from .probes import catalogue
from .probes import simulate as simulation
from .session import Event, Task

Progress = Callable[[int, int, str], None]

REPEATED = ("fail", "crash")
"""Statuses after which a probe is run once more, since a fault that does not come back is `flaky`."""

_TRIES = 2  # starts of a worker that dies before it begins any probe


# --- the three entrances ----------------------------------------------------------------------------------------------


def info(python: str, timeout: float = session.START_SECONDS) -> dict[str, Any]:
    """torch's facts in the interpreter `python`, with the keys of probes/facts.py; torch missing or broken is one.

    MachineError where `python` cannot be started or is no Python.
    """
    seen: dict[str, Event] = {}
    with session.working({"job": "info"}, python) as (child, out):
        end = time.monotonic() + timeout
        for event in session.events(child, out):
            if event is not None:
                seen[event["event"]] = event
            elif time.monotonic() > end:
                children.kill(child)
                seen["late"] = {}
        reason = session.how_it_ended(child, 0)
    if "info" in seen:
        return {key: value for key, value in seen["info"].items() if key != "event"}
    if "start" not in seen:
        late = f"it did not answer within {timeout:g} s"
        text = seen.get("refused", {}).get("error") or (late if "late" in seen else reason)
        raise MachineError(f"{python} cannot be used: {text}", "name another one with --python")
    cause = f"took more than {timeout:g} s" if "late" in seen else f"ended the process: {reason}"
    return {"python": seen["start"]["python"], "torch": None, "error": f"reading torch's facts {cause}"}


def run(
    tasks: Iterable[Task],
    *,
    python: str,
    device: str,
    level: str,
    seed: int,
    simulate: str | None = None,
    folder: str = "suite",
    timeout: float | None = None,
    progress: Progress | None = None,
    memory_limit: int | None = None,
    on_event: Callable[[Event], None] | None = None,
    load_seconds: float | None = None,
) -> Iterator[Result]:
    """Yield one Result a (probe, dtype), each as soon as it is final.

    Order: that of `tasks`, group by group; those that failed come last: each is first repeated in a fresh process.
    timeout: seconds a group of probes may take after its preflight. memory_limit: bytes a worker may add to its size.
    load_seconds: how long a load test lasts in one dtype. on_event: sees every line of the protocol.
    MachineError where no probe can run at all (no torch, failed preflight).
    A KeyboardInterrupt ends the workers, yields failures that were still waiting for their repetition, and is raised.
    """
    wanted = tuple(dict.fromkeys(tasks))
    _check_simulation(simulate)
    teller = _Teller(len(wanted), progress, on_event)
    settings = session.Settings(
        python, device, level, seed, simulate, folder, timeout, memory_limit, teller.observe, load_seconds
    )
    held: dict[Task, Result] = {}
    try:
        for task, result in _all_groups(wanted, settings):
            if result.status in REPEATED:
                held[task] = result
            else:
                yield teller.finish(result)
        teller.prefix = "again "
        for task, again in _all_groups(tuple(held), settings, repeating=True):
            yield teller.finish(settle(held.pop(task), again))
    except KeyboardInterrupt:
        yield from map(teller.finish, held.values())
        raise


class _Teller:
    """Tells `progress` and `on_event` what happens in a run of `total` tasks."""

    def __init__(self, total: int, progress: Progress | None, on_event: Callable[[Event], None] | None) -> None:
        self._total, self._progress, self._on_event = total, progress, on_event
        self._finished, self._running = 0, ""
        self.prefix = ""

    def observe(self, event: Event) -> None:
        """A line of the protocol."""
        if event["event"] == "begin":
            self._running = f"{self.prefix}{event['probe']} {event['dtype']}"
        if event["event"] in ("begin", "progress"):
            self._tell(self._running + _how_far(event))
        if self._on_event is not None:
            self._on_event(event)

    def finish(self, result: Result) -> Result:
        """A result that is final."""
        self._finished += 1
        self._tell(f"{result.probe} {result.dtype}: {result.status}")
        return result

    def _tell(self, label: str) -> None:
        if self._progress is not None:
            self._progress(self._finished, self._total, label)


def _how_far(event: Event) -> str:
    """ " 25 %, about 1:30 left" for a progress event, else nothing."""
    if event["event"] != "progress":
        return ""
    left = event.get("seconds_left")
    return f" {event['share']:.0%}" + (f", about {int(left) // 60}:{int(left) % 60:02} left" if left else "")


def run_here(
    torch: Any,
    tasks: Iterable[Task],
    *,
    device: str,
    level: str,
    seed: int,
    simulate: str | None = None,
    progress: Progress | None = None,
    memory_limit: int | None = None,
    load_seconds: float | None = None,
) -> Iterator[Result]:
    """As `run`, but in this process and thread, under whatever dispatch mode the caller has entered.

    A failure is repeated on the spot. Nothing here survives a crash of the process or ends a hang.
    """
    wanted = tuple(dict.fromkeys(tasks))
    _check_simulation(simulate, isolated=False)
    _require_answer(torch, device)
    lost = ""
    for number, (probe, dtype) in enumerate(wanted):
        if progress is not None:
            progress(number, len(wanted), f"{probe.id} {dtype}")
        if lost:
            yield session.skipped(probe, dtype, f"the device answers nothing since {lost}")
            continue
        options: dict[str, Any] = {
            "device": device, "level": level, "seed": seed, "memory_limit": memory_limit, "load_seconds": load_seconds,
            "on_progress": partial(_tell, progress, number, len(wanted), f"{probe.id} {dtype}"),
        }  # fmt: skip
        result, alive = _once_here(torch, probe, dtype, simulate, options)
        if alive and result.status in REPEATED:
            again, alive = _once_here(torch, probe, dtype, simulate, options)
            result = settle(result, again)
        lost = "" if alive else f"{probe.id} {dtype}"
        yield result


def _require_answer(torch: Any, device: str) -> None:
    """The preflight of a run in this process: no verdict about a device that cannot add."""
    from .probes import execute

    if not execute.healthy(torch, device):
        raise MachineError(f"{device} does not answer: a tiny addition failed", "`hwcompat env` shows what blocks")


def _tell(progress: Progress | None, done: int, total: int, label: str, share: float, left: float | None) -> None:
    if progress is not None:
        progress(done, total, label + _how_far({"event": "progress", "share": share, "seconds_left": left}))


def _once_here(
    torch: Any, probe: catalogue.Probe, dtype: str, simulate: str | None, options: Mapping[str, Any]
) -> tuple[Result, bool]:
    """The result, and False if the device is lost."""
    from .probes import execute, worker

    run_probe: Any = execute.run
    try:
        # Entered a task at a time: a mode must not be in force while the caller has control.
        with worker.simulation(torch, simulate):
            found = run_probe(torch, probe, dtype, **options)
            return session.result_of(found, probe, dtype), True
    except execute.DeviceLost as error:
        return session.result_of(error.result, probe, dtype), False
    except worker.Refusal as refusal:
        raise MachineError(f"{simulate} cannot be simulated here: {refusal.args[1]}", "use a newer torch") from refusal


# --- groups and processes ---------------------------------------------------------------------------------------------


def _all_groups(
    tasks: Sequence[Task], settings: session.Settings, repeating: bool = False
) -> Iterator[tuple[Task, Result]]:
    """(task, Result) for every task; MachineError only while nothing has been measured."""
    measured = repeating
    groups = _groups(tasks, settings.level)
    told = [replace(settings, paired=len(groups) > 1 and _pairs(group, settings)) for group in groups]
    ahead: session.Ahead | None = None
    try:
        for number, group in enumerate(groups):
            waiting = dict.fromkeys(group)
            started, ahead = ahead, None
            try:
                for task, result in _one_group(group, told[number], started):
                    measured = True
                    del waiting[task]
                    if ahead is None and number + 1 < len(groups) and not _times(group):
                        ahead = _started_ahead(groups[number + 1], told[number + 1])
                    yield task, result
            except session.CannotRunError as trouble:
                if not measured:
                    raise MachineError(trouble.message, trouble.hint) from trouble
                for probe, dtype in waiting:
                    yield (probe, dtype), session.skipped(probe, dtype, trouble.message)
    finally:
        if ahead is not None:
            ahead.close()


def _times(group: Sequence[Task]) -> bool:
    """A group that measures speed has the machine to itself."""
    return any(probe.rule == "SPEED" for probe, _ in group)


def _pairs(group: Sequence[Task], settings: session.Settings) -> bool:
    """Whether this group runs beside its neighbours: on a processor, whose cores small tensors leave idle.

    Not at level full, where memory and load are under test.
    """
    return settings.device == "cpu" and settings.level == "standard" and not _times(group)


def _started_ahead(group: Sequence[Task], settings: session.Settings) -> session.Ahead | None:
    """The worker of the next group, while this one is at work."""
    try:
        return session.Ahead(group, settings)
    except (HwcompatError, OSError):
        return None  # what hinders it will hinder it again when its turn comes, and be told then


def _groups(tasks: Sequence[Task], level: str) -> list[tuple[Task, ...]]:
    """Tasks that share a process, in order of first appearance; a quick run has one process only."""
    groups: dict[str, list[Task]] = {}
    for task in tasks:
        groups.setdefault("" if level == "quick" else task[0].group, []).append(task)
    return [tuple(group) for group in groups.values()]


def _one_group(
    group: Sequence[Task], settings: session.Settings, ahead: session.Ahead | None = None
) -> Iterator[tuple[Task, Result]]:
    """Start processes (`ahead` is the first, if it is there already) until every task of the group has a Result.

    Each start settles a task or is one of `_TRIES`.
    """
    waiting, tries, clock = list(group), _TRIES, session.GroupClock(settings.timeout)
    while waiting:
        done: set[int] = set()
        try:
            started, ahead = ahead, None
            for index, result in session.follow(waiting, settings, clock, started):
                done.add(index)
                yield waiting[index], result
        except session.CannotRunError as trouble:
            tries -= 1
            if not trouble.again or not tries:
                raise
        waiting = [task for index, task in enumerate(waiting) if index not in done]
        if clock.over():
            for probe, dtype in waiting:
                yield (probe, dtype), session.skipped(probe, dtype, f"its group's {settings.timeout:g} s were used up")
            return


# --- results ----------------------------------------------------------------------------------------------------------


def settle(first: Result, again: Result) -> Result:
    """What a failure and its repetition come to: `flaky` if the repetition passed, else the first result stands."""
    if again.status not in ("pass", "feature"):
        return first
    detail = f"{first.status} at first ({first.detail}), {again.status} when repeated"
    return replace(first, status="flaky", detail=detail, seconds=first.seconds + again.seconds)


def _check_simulation(name: str | None, isolated: bool = True) -> None:
    if name is None:
        return
    models = list(faults())
    if name not in models:
        raise UsageError(
            f"there is no fault model {name!r}",
            f"nearest: {', '.join(_nearest(name, models))}; a whole card: gtx16xx; all of them: --simulate list",
        )
    if not isolated and name in simulation.NEEDS_PROCESS:
        raise UsageError(f"{name} would take this very process with it", "simulate it with isolate")


def faults() -> Mapping[str, str]:
    """{name: "what is wrong, source"} of every fault model that can be simulated."""
    listing: Mapping[str, str] = simulation.listing()
    return listing


def _nearest(name: str, models: Sequence[str]) -> list[str]:
    """The models most like `name`, which may be part of a name: a family or a fault alone."""
    import difflib

    like = {model: max(_likeness(difflib, name, word) for word in (model, *model.split("."))) for model in models}
    return sorted(models, key=lambda model: -like[model])[:3]


def _likeness(difflib: Any, one: str, other: str) -> float:
    ratio: float = difflib.SequenceMatcher(None, one, other).ratio()
    return ratio
