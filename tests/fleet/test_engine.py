"""The fleet's engine without any Ray: which task is started, ended, tried again, and what is on disk afterwards."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hwcompat import report as reports
from hwcompat.errors import DataError
from hwcompat.fleet import shards, task
from hwcompat.fleet.engine import Event, Limits, Node, work_through
from hwcompat.model import Environment, Report

ASK = {
    "run": "r1",
    "began": "2026-11-21T01:00:00Z",
    "level": "quick",
    "seed": 0,
    "python": None,
    "minutes": None,
    "processor": False,
}
SOON = Limits(timeout=10, wait=20, attempts=2, in_flight=100)


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of small files are written here; that they survive a power cut is tested with the store."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def text(number: int = 0) -> str:
    blank = Report(
        f"{number:016x}", "2026-11-21T01:02:03Z", "0.1.0", "1", "quick", 0, "cuda:0", Environment("linux", "x86_64")
    )
    return reports.to_json(blank)


class Grid:
    """A cluster of made-up nodes; time passes when the engine looks. `plan[(node, gpu)]` lists what that GPU does at
    its first try, its second ...: measure, crash, refuse, hang, lose; it measures when the list is empty."""

    def __init__(self, nodes: list[Node], plan: dict[tuple[str, str], list[str]] | None = None) -> None:
        self._nodes, self.plan = list(nodes), plan or {}
        self.now, self.number, self.most, self.worked = 0.0, 0, 0, Counter()
        self.free = {node.id: [str(n) for n in range(node.slots)] for node in nodes}
        self.tasks: dict[int, dict[str, Any]] = {}
        self.dead: set[str] = set()
        self.cancelled: list[int] = []
        self.busy: set[tuple[str, str]] = set()

    def clock(self) -> float:
        return self.now

    def nodes(self) -> list[Node]:
        return [node for node in self._nodes if node.id not in self.dead]

    def start(self, node: Node, ask: Any) -> int:
        self.number += 1
        self.tasks[self.number] = {"node": node, "ask": ask, "gpu": None, "then": []}
        self.most = max(self.most, len(self.tasks))
        return self.number

    def cancel(self, handle: int) -> None:
        self.cancelled.append(handle)
        self._free(self.tasks.pop(handle))

    def poll(self, handles: Any, seconds: float) -> list[Event]:
        assert set(handles) == set(self.tasks), "the engine knows every task that lives, and no other"
        self.now += seconds
        found = []
        for handle in list(handles):
            event = self._step(handle, self.tasks[handle])
            if event is not None:
                found.append(event)
                if event.kind != "message":
                    self._free(self.tasks.pop(handle))
        return found

    def _free(self, one: dict[str, Any]) -> None:
        if one["gpu"] is not None:
            self.free[one["node"].id].append(one["gpu"])
            self.free[one["node"].id].sort()  # Ray gives the first that is free

    def _step(self, handle: int, one: dict[str, Any]) -> Event | None:
        node = one["node"]
        if node.id in self.dead:
            return Event(handle, "failed", outcome="lost" if one["gpu"] else "unreachable", detail="the node died")
        if one["gpu"] is None:
            free = [gpu for gpu in self.free[node.id] if (node.name, gpu) not in self.busy]
            if not free:
                return None
            one["gpu"] = free[0]
            self.free[node.id].remove(free[0])
            return Event(handle, "message", {"slot": one["gpu"]})
        if one["then"] == ["end"]:
            return Event(handle, "ended")
        if one["gpu"] in one["ask"]["done"]:
            if "taken" in one["then"]:
                return None
            one["then"] = ["taken"]
            return Event(handle, "message", {"taken": True})
        return self._act(handle, one)

    def _act(self, handle: int, one: dict[str, Any]) -> Event | None:
        where = (one["node"].name, one["gpu"])
        if "act" not in one:
            one["act"] = (self.plan.get(where) or ["measure"]).pop(0)
        act = one["act"]
        if act == "hang":
            return None
        if act == "lose":
            return Event(handle, "failed", outcome="lost", detail="WorkerCrashedError")
        if act == "crash":
            return Event(handle, "failed", outcome="crashed", detail="ValueError: x")
        one["then"] = ["end"]
        if self.worked[where]:  # the spool of the node
            return Event(handle, "message", {**task.answer(text(), 0.5, None), "spooled": True})
        if act == "refuse":
            return Event(handle, "message", {**task.refusal("no torch"), "spooled": False})
        self.worked[where] += 1
        found = task.answer(text(self.number), 0.5, f"0000:0{one['gpu']}:00.0")
        return Event(handle, "message", {**found, "spooled": False})


def run(grid: Grid, folder: Path, limits: Limits = SOON, tell: Any = lambda *told: None):
    nodes = grid.nodes()
    return work_through(grid, nodes, ASK, folder, limits, tell, grid.clock)


def slots(folder: Path) -> set[tuple[str, str]]:
    found = set()
    for key in shards.finished(folder, "r1"):
        one = shards.read_sidecar(folder / "shards" / f"{key}.private.json")
        found.add((one.node, one.slot))
    return found


def outcomes(folder: Path) -> dict[tuple[str, str], str]:
    return {(one.node, one.slot): one.outcome for one in shards.failed(folder, "r1")}


def everything(nodes: list[Node]) -> set[tuple[str, str]]:
    return {(node.name, str(n)) for node in nodes for n in range(node.slots)}


TWO = [Node("a1", "a", 4), Node("b1", "b", 2)]


def test_every_gpu_is_measured_once_and_a_second_call_measures_none(tmp_path: Path) -> None:
    grid = Grid(TWO)
    told: list[tuple[int, int, str]] = []
    tally = run(grid, tmp_path, tell=lambda *one: told.append(one))
    assert slots(tmp_path) == everything(TWO)
    assert (tally.measured, tally.total, tally.skipped) == (6, 6, 0)
    assert told[-1][:2] == (6, 6)
    assert not grid.tasks
    again = run(grid, tmp_path)
    assert (again.measured, again.skipped) == (0, 6)
    assert set(grid.worked.values()) == {1}


def test_failures_are_results_and_never_stop_the_others(tmp_path: Path) -> None:
    plan = {("a", "0"): ["crash", "crash"], ("a", "1"): ["hang", "hang"], ("a", "2"): ["refuse"], ("b", "0"): ["lose"]}
    tally = run(Grid(TWO, plan), tmp_path)
    assert slots(tmp_path) == {("a", "3"), ("b", "0"), ("b", "1")}, "b 0 was lost once and measured then"
    assert outcomes(tmp_path) == {("a", "0"): "crashed", ("a", "1"): "timeout", ("a", "2"): "refused"}
    assert tally.failed == {"crashed": 2, "timeout": 2, "refused": 1, "lost": 1}
    tries = {(one.node, one.slot): one.attempts for one in shards.failed(tmp_path, "r1")}
    assert tries == {("a", "0"): 2, ("a", "1"): 2, ("a", "2"): 1}


def test_a_gpu_that_failed_is_found_again_among_finished_ones(tmp_path: Path) -> None:
    """The first GPU that is free is a finished one; the task keeps it, so that the next task meets the one wanted."""
    grid = Grid([Node("a1", "a", 8)], {("a", "7"): ["lose"]})
    tally = run(grid, tmp_path)
    assert len(slots(tmp_path)) == 8
    assert tally.measured == 8
    assert set(grid.worked.values()) == {1}
    assert len(grid.cancelled) == 7, "those that kept the finished ones were ended"


def test_what_an_earlier_call_could_not_reach_is_reached_by_the_next(tmp_path: Path) -> None:
    grid = Grid([Node("a1", "a", 2)])
    grid.busy = {("a", "1")}
    first = run(grid, tmp_path)
    assert slots(tmp_path) == {("a", "0")}
    assert first.failed["unreachable"] >= 1
    assert ("a", "") in outcomes(tmp_path)
    grid.busy.clear()
    run(grid, tmp_path)
    assert slots(tmp_path) == {("a", "0"), ("a", "1")}
    assert outcomes(tmp_path) == {}, "the node has answered in full: what was noted of it is over"
    assert set(grid.worked.values()) == {1}


def test_the_death_of_a_node_costs_its_own_gpus_only(tmp_path: Path) -> None:
    grid = Grid(TWO, {("a", str(n)): ["hang"] for n in range(4)})
    grid.poll, sound = lambda h, s: (grid.dead.add("a1") if grid.now > 3 else None) or sound(h, s), grid.poll
    tally = run(grid, tmp_path)
    assert slots(tmp_path) == {("b", "0"), ("b", "1")}
    assert tally.failed["lost"] == 4
    assert grid.now < 60


def test_a_node_whose_death_nobody_tells_is_noticed(tmp_path: Path) -> None:
    """Ray is silent about a task whose process outlives its node."""
    grid = Grid(TWO, {("a", str(n)): ["hang"] for n in range(4)})
    sound = grid._step

    def step(handle: int, one: dict[str, Any]) -> Event | None:
        return None if one["node"].id in grid.dead else sound(handle, one)

    grid._step = step
    grid.poll, polled = lambda h, s: (grid.dead.add("a1") if grid.now > 3 else None) or polled(h, s), grid.poll
    tally = run(grid, tmp_path, Limits(timeout=1000, wait=1000))
    assert slots(tmp_path) == {("b", "0"), ("b", "1")}
    assert tally.failed["lost"] == 4
    assert grid.now < 30


def test_never_more_tasks_than_the_bound_but_always_a_whole_node(tmp_path: Path) -> None:
    nodes = [Node(f"n{k}", f"n{k}", 8) for k in range(20)]
    grid = Grid(nodes)
    run(grid, tmp_path, Limits(10, 20, 2, in_flight=16))
    assert grid.most <= 16
    assert slots(tmp_path) == everything(nodes)
    small = Grid([Node("z1", "z", 8)])
    run(small, tmp_path, Limits(10, 20, 2, in_flight=3))
    assert small.most == 8


def test_an_interrupt_keeps_what_came_in_and_ends_the_rest(tmp_path: Path) -> None:
    grid = Grid(TWO, {("a", "2"): ["hang"]})

    def tell(done: int, total: int, label: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(grid, tmp_path, tell=tell)
    assert not grid.tasks
    kept = slots(tmp_path)
    assert len(kept) >= 3
    tally = run(Grid(TWO), tmp_path)
    assert tally.skipped == len(kept)
    assert slots(tmp_path) == everything(TWO)


def test_an_answer_without_a_report_is_a_crash_of_that_gpu_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = task.answer
    monkeypatch.setattr(task, "answer", lambda *given: {**sound(*given), "report": b"\x00"})
    tally = run(Grid([Node("a1", "a", 1)]), tmp_path)
    assert (tally.measured, tally.failed) == (0, Counter(crashed=2))


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_nothing_finished_is_lost_or_measured_twice(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    nodes = [Node(f"n{k}", f"n{k}", chance.randint(1, 5)) for k in range(6)]
    acts = ["measure", "measure", "crash", "lose", "hang", "refuse"]
    plan = {where: [chance.choice(acts) for _ in range(2)] for where in sorted(everything(nodes))}
    grid = Grid(nodes, plan)
    doomed, when = f"n{chance.randrange(6)}", chance.uniform(0, 8)
    sound = grid.poll
    grid.poll = lambda h, s: (grid.dead.add(doomed) if grid.now > when else None) or sound(h, s)
    run(grid, tmp_path)
    assert slots(tmp_path) == set(grid.worked)
    grid.dead.clear()
    grid.poll = sound
    grid.plan.clear()
    run(grid, tmp_path)
    assert slots(tmp_path) == everything(nodes)
    assert set(grid.worked.values()) == {1}
    assert outcomes(tmp_path) == {}


def test_an_interrupt_that_was_lost_ends_the_run_all_the_same(tmp_path: Path) -> None:
    grid = Grid([Node("n1", "n1", 2)], {("n1", "1"): ["hang"]})
    with pytest.raises(KeyboardInterrupt):
        work_through(grid, grid.nodes(), ASK, tmp_path, SOON, clock=grid.clock, stopped=lambda: grid.now > 2)
    assert slots(tmp_path) == {("n1", "0")}
    assert not grid.tasks, "what still ran was ended"


# --- the task and its spool -------------------------------------------------------------------------------------------


def ask(**changes: Any) -> dict[str, Any]:
    return {**ASK, "node": "n1", "share": 2, "done": (), "hold": 7.0, **changes}


def served(work: Any, slot: str = "0", **changes: Any) -> list[dict[str, Any]]:
    return list(task.serve(ask(**changes), work, slot))


def test_a_finished_result_is_kept_on_its_node_and_never_measured_again(private_home: Path) -> None:
    first = served(lambda _: task.answer(text(1), 2.0, "0000:01:00.0"))
    assert [list(one) for one in first[:1]] == [["slot"]]
    assert first[1]["spooled"] is False

    def forbidden(_: Any) -> Any:
        raise AssertionError("measured twice")

    again = served(forbidden)[1]
    assert (again["spooled"], again["seconds"], again["pci_bus_id"]) == (True, 2.0, "0000:01:00.0")
    assert task.report_text(again) == text(1)
    (kept,) = (private_home / "fleet").iterdir()
    assert kept.stat().st_mode & 0o077 == 0 or kept.drive  # nobody else's business
    kept.write_text("{}")
    assert served(lambda _: task.answer(text(2), 1.0, None))[1]["spooled"] is False


@pytest.mark.parametrize(
    "change", [{"level": "full"}, {"run": "r2"}, {"node": "n2"}, {"seed": 1}, {"python": "/x"}, {"began": "2026-12-01"}]
)
def test_a_kept_result_answers_only_the_very_same_question(change: dict[str, Any]) -> None:
    served(lambda _: task.answer(text(1), 2.0, None))
    assert served(lambda _: task.answer(text(2), 1.0, None), **change)[1]["spooled"] is False


def test_a_refusal_is_not_kept() -> None:
    assert served(lambda _: task.refusal("no torch"))[1]["outcome"] == "refused"
    assert served(lambda _: task.answer(text(), 1.0, None))[1]["outcome"] == "measured"


def test_a_finished_gpu_is_kept_for_a_while_and_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(task.time, "sleep", slept.append)
    assert served(lambda _: pytest.fail("measured"), "1", done=("1",)) == [{"slot": "1"}, {"taken": True}]
    assert slept == [7.0]


def test_an_answer_that_is_no_report_or_too_large_is_refused() -> None:
    import zlib

    bomb = zlib.compress(b" " * (reports.MAX_BYTES + 1))
    for bad in (b"", b"x", bomb, zlib.compress(text().encode())[:-5], None):
        with pytest.raises(DataError):
            task.report_text({"report": bad})


def test_a_gpu_task_never_tests_the_processor_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def probe(device: str, **_: Any) -> Any:
        asked.append(device)
        raise DataError("no GPU", "get one")

    monkeypatch.setattr(task.api, "probe", probe)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert task.measure(ask())["outcome"] == "refused"
    assert asked == ["all"]
    monkeypatch.setenv("RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "cannot know its GPU" in task.measure(ask())["detail"]
    assert asked == ["all"]
