"""Gets every GPU of a cluster measured once: which task is started when, how long it may take, what its end means.

Knows no engine: a `Cluster` starts tasks and tells what became of them (ray_engine.py does so with Ray). Every end is
written to the folder at once (shards.py), so a kill at any moment loses nothing that was finished.

An engine gives a task *some* GPU of its node, and which one is known only when the task has begun. So a node is worked
in rounds of one task a GPU; a task that is given a GPU which is done already keeps it, until the others have theirs.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from hwcompat.errors import DataError
from hwcompat.fleet import shards, task
from hwcompat.fleet.shards import Sidecar

Handle = Hashable
Tell = Callable[[int, int, str], None]
_LOOK_SECONDS = 0.5
_ROLL_SECONDS = 5.0  # between two looks at which nodes live


class Node(NamedTuple):
    """One live machine of the cluster; `id` is the engine's, `name` stays the same when the node comes back."""

    id: str
    name: str
    slots: int  # tasks that it can run at once: its GPUs, or 1 for its processor


class Event(NamedTuple):
    """What has become of a task: a message (see task.py), an end, or a failure (outcome and words)."""

    handle: Handle
    kind: str  # message, ended, failed
    message: Mapping[str, Any] = {}
    outcome: str = ""
    detail: str = ""


class Cluster(Protocol):
    """What an engine must be able to do."""

    def nodes(self) -> Sequence[Node]:
        """The nodes that are alive now."""

    def start(self, node: Node, ask: Mapping[str, Any]) -> Handle:
        """Start a task that needs one GPU (or none) of exactly this node."""

    def poll(self, handles: Sequence[Handle], seconds: float) -> Sequence[Event]:
        """What happened to these tasks; waits at most `seconds` for something to happen."""

    def cancel(self, handle: Handle) -> None:
        """End a task, by force; nothing is told of it any more."""


@dataclass(frozen=True)
class Limits:
    """When to give up."""

    timeout: float = 1800.0  # seconds from a task's begin to its answer
    wait: float = 600.0  # seconds that a task may wait for its GPU, which may be busy with something else
    attempts: int = 2  # of one GPU in this call
    in_flight: int = 1000  # tasks that exist at once, and so results in memory


@dataclass
class Tally:
    """What a run came to so far."""

    total: int = 0
    measured: int = 0
    skipped: int = 0  # were finished before
    delivered: int = 0  # of the measured: kept on the node since an earlier driver, not measured again
    failed: Counter[str] = field(default_factory=Counter)
    overheads: list[float] = field(default_factory=list)  # seconds a measured GPU took beyond its probe


@dataclass
class _Task:
    site: _Site
    submitted: float
    slot: str | None = None
    begun: float = 0.0
    holding: bool = False
    settled: bool = False


@dataclass
class _Site:
    """A node while it is worked on."""

    node: Node
    finished: set[str]
    tries: Counter[str] = field(default_factory=Counter)
    given_up: set[str] = field(default_factory=set)
    rounds: int = 0
    nameless: int = 0  # failures of this round before a GPU was known

    def left(self) -> int:
        return self.node.slots - len(self.finished) - len(self.given_up)


def work_through(
    cluster: Cluster,
    nodes: Iterable[Node],
    ask: Mapping[str, Any],
    folder: Path,
    limits: Limits,
    tell: Tell = lambda done, total, label: None,
    clock: Callable[[], float] = time.monotonic,
    stopped: Callable[[], bool] = lambda: False,
) -> Tally:
    """Measure every slot of `nodes` that is not finished in `folder`; `ask` is what all tasks have in common.

    A KeyboardInterrupt cancels what runs and is raised; what was finished by then is on disk. It is raised here where
    `stopped` answers True: Python loses one that falls into a finaliser.
    """
    return _Run(cluster, tuple(nodes), ask, folder, limits, tell, clock, stopped).work()


class _Run:
    def __init__(
        self, cluster: Cluster, nodes: Sequence[Node], ask: Mapping[str, Any], folder: Path, limits: Limits,
        tell: Tell, clock: Callable[[], float], stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.cluster, self.ask, self.folder, self.limits = cluster, ask, folder, limits
        self.run = str(ask["run"])
        self._tell, self.clock, self.stopped = tell, clock, stopped
        done = finished_slots(folder, self.run)
        self.sites = [_Site(node, set(done.get(node.name, ()))) for node in nodes]
        self.tasks: dict[Handle, _Task] = {}
        self.looked, self.doubted = clock(), frozenset[str]()
        self.tally = Tally(total=sum(max(s.node.slots, len(s.finished)) for s in self.sites))
        self.tally.skipped = sum(len(site.finished) for site in self.sites)

    def work(self) -> Tally:
        waiting = [site for site in self.sites if site.left() > 0]
        waiting.reverse()
        try:
            while waiting or self.tasks:
                if self.stopped():
                    raise KeyboardInterrupt
                while waiting and self._has_room(waiting[-1]):
                    self._begin_round(waiting.pop())
                for event in self.cluster.poll(list(self.tasks), _LOOK_SECONDS):
                    self._take(event)
                self._expire()
                self._bury()
                self._release()
                waiting[:0] = self._closed_rounds(waiting)
        except BaseException:
            self._stop()
            raise
        return self.tally

    # --- rounds -------------------------------------------------------------------------------------------------------

    def _has_room(self, site: _Site) -> bool:
        """One node's round always fits: a bound smaller than a node would never be met."""
        return not self.tasks or len(self.tasks) + site.node.slots <= self.limits.in_flight

    def _begin_round(self, site: _Site) -> None:
        avoid = tuple(sorted(site.finished | site.given_up))
        site.rounds += 1
        site.nameless = 0
        ask = {**self.ask, "node": site.node.name, "share": site.left(), "done": avoid, "hold": self.limits.wait}
        for _ in range(site.node.slots):  # those that meet a finished GPU keep it: the others find theirs
            self.tasks[self.cluster.start(site.node, ask)] = _Task(site, self.clock())

    def _closed_rounds(self, waiting: Sequence[_Site]) -> list[_Site]:
        """The nodes whose round is over and that need another one."""
        busy = {id(one.site) for one in self.tasks.values()}
        over = [s for s in self.sites if s.rounds and s.left() > 0 and id(s) not in busy and s not in waiting]
        return [site for site in over if self._tries_again(site)]

    def _tries_again(self, site: _Site) -> bool:
        if site.rounds >= self.limits.attempts:
            self._lose_rest(site, "")
            return False
        alive = next((node for node in self.cluster.nodes() if node.name == site.node.name), None)
        if alive is None:
            self._lose_rest(site, "the node is gone")
            return False
        site.node = alive
        return True

    def _lose_rest(self, site: _Site, detail: str) -> None:
        """GPUs that no task has come to: they have no slot, and are noted as one entry of the node."""
        left = site.left()
        if left > 0 and detail and not site.nameless:
            self._note(site, "", "unreachable", f"{detail}; {left} GPUs were not reached", 0.0)
        site.given_up |= {f"?{n}" for n in range(left)}

    # --- one task -----------------------------------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        one = self.tasks.get(event.handle)
        if one is None:
            return
        if event.kind == "message":
            self._hear(one, event.message)
            return
        del self.tasks[event.handle]
        if one.settled or one.holding:
            return  # whatever happened to it after that is of no interest
        if event.kind == "ended":
            self._fail(one, "crashed", "the task ended without an answer")
        else:
            self._fail(one, event.outcome, event.detail)

    def _hear(self, one: _Task, message: Mapping[str, Any]) -> None:
        if "slot" in message:
            one.slot, one.begun = str(message["slot"]), self.clock()
            self._say(f"{one.site.node.name} {one.slot}: probing")
        elif message.get("taken"):
            one.holding = True
        else:
            one.settled = True
            self._settle(one, message)

    def _settle(self, one: _Task, message: Mapping[str, Any]) -> None:
        """An answer: to disk at once."""
        slot, seconds = one.slot or "", float(message["seconds"])
        if message["outcome"] != "measured":
            self._fail(one, "refused", str(message["detail"]))
            return
        if slot in one.site.finished:
            return  # the GPU of a task that came late was measured meanwhile
        bus = message.get("pci_bus_id")
        sidecar = Sidecar(self.run, one.site.node.name, slot, "measured", seconds=round(seconds, 3), pci_bus_id=bus)
        try:
            shards.write_finished(self.folder, sidecar, task.report_text(message))
        except DataError as error:
            self._fail(one, "crashed", error.message)
            return
        one.site.finished.add(slot)
        self.tally.measured += 1
        if message["spooled"]:
            self.tally.delivered += 1
        else:
            self.tally.overheads.append(self.clock() - one.submitted - seconds)
        if len(one.site.finished) >= one.site.node.slots:  # it has answered in full: what was noted of it is over
            shards.withdraw_failed(self.folder, self.run, one.site.node.name, "")
        self._say(f"{one.site.node.name} {slot}: measured in {seconds:.0f} s")

    def _fail(self, one: _Task, outcome: str, detail: str) -> None:
        site, slot = one.site, one.slot or ""
        seconds = self.clock() - (one.begun or one.submitted)
        self._note(site, slot, outcome, detail, seconds)
        if not slot:
            site.nameless += 1
            return
        site.tries[slot] += 1
        if site.tries[slot] >= self.limits.attempts or outcome == "refused":  # a refusal stays one
            site.given_up.add(slot)

    def _note(self, site: _Site, slot: str, outcome: str, detail: str, seconds: float) -> None:
        sidecar = Sidecar(self.run, site.node.name, slot, outcome, detail=detail, seconds=round(seconds, 3))
        shards.write_failed(self.folder, sidecar)
        self.tally.failed[outcome] += 1
        self._say(f"{site.node.name} {slot or 'no GPU'}: {outcome}: {detail}")

    # --- time ---------------------------------------------------------------------------------------------------------

    def _expire(self) -> None:
        """End the tasks whose time is up."""
        now = self.clock()
        for handle, one in list(self.tasks.items()):
            if one.holding or one.settled:
                continue
            if one.slot is not None and now - one.begun > self.limits.timeout:
                self._cut(handle, one, "timeout", f"no answer for {self.limits.timeout:g} s")
            elif one.slot is None and now - one.submitted > self.limits.wait:
                detail = f"no GPU of this node came free within {self.limits.wait:g} s"
                self._cut(handle, one, "unreachable", detail)

    def _bury(self) -> None:
        """End the tasks of nodes that have died. An engine tells of that late, or not at all as long as the task's
        process outlives its node's; a node is given up when two looks have not found it."""
        if self.clock() - self.looked < _ROLL_SECONDS or not self.tasks:
            return
        self.looked = self.clock()
        alive = {node.id for node in self.cluster.nodes()}
        gone = frozenset(one.site.node.id for one in self.tasks.values()) - alive
        for handle, one in list(self.tasks.items()):
            if one.site.node.id in gone & self.doubted and not one.settled and not one.holding:
                self._cut(handle, one, "lost" if one.slot is not None else "unreachable", "the node died")
            elif one.site.node.id in gone & self.doubted:
                del self.tasks[handle]
        self.doubted = gone

    def _cut(self, handle: Handle, one: _Task, outcome: str, detail: str) -> None:
        del self.tasks[handle]
        self.cluster.cancel(handle)
        self._fail(one, outcome, detail)

    def _release(self) -> None:
        """Ends those that keep a finished GPU, once every GPU still wanted has its task or nobody waits for one."""
        for site in {id(one.site): one.site for one in self.tasks.values() if one.holding}.values():
            mine = [(handle, one) for handle, one in self.tasks.items() if one.site is site]
            at_work = sum(one.slot is not None and not one.holding for _, one in mine)
            if at_work >= site.left() or all(one.slot is not None for _, one in mine):
                for handle, one in mine:
                    if one.holding or one.slot is None:
                        del self.tasks[handle]
                        self.cluster.cancel(handle)

    def _stop(self) -> None:
        """What has come in meanwhile is kept, what still runs is ended."""
        self._tell = lambda done, total, label: None
        try:
            for event in self.cluster.poll(list(self.tasks), 0.0):
                self._take(event)
        finally:  # a second Ctrl-C too
            for handle in list(self.tasks):
                self.cluster.cancel(handle)
            self.tasks.clear()

    def _say(self, label: str) -> None:
        done = self.tally.skipped + self.tally.measured + sum(len(site.given_up) for site in self.sites)
        self._tell(min(done, self.tally.total), self.tally.total, label)


def finished_slots(folder: Path, run: str) -> dict[str, set[str]]:
    """{node name: slots} that are finished in `folder`."""
    found: dict[str, set[str]] = {}
    for key in shards.finished(folder, run):
        sidecar = shards.read_sidecar(folder / shards.SHARDS / f"{key}{shards.PRIVATE}")
        found.setdefault(sidecar.node, set()).add(sidecar.slot)
    return found
