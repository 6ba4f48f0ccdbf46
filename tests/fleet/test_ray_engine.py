"""The fleet's engine on real Ray: made-up nodes with made-up GPUs on this machine, killed in the middle.

One small cluster serves all tests of this file (`xdist_group`: one worker runs them all). What a node is asked to do is
an argument of the engine; here it is something cheap, in the last test the real probe of the processor.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hwcompat import report as reports
from hwcompat.errors import MachineError, UsageError
from hwcompat.fleet import driving, engine, ray_engine, shards, task
from hwcompat.model import Environment, Report

ray = pytest.importorskip("ray", reason="Ray has no build for this Python or system")
pytestmark = pytest.mark.xdist_group("ray")

REPOSITORY = Path(__file__).parents[2]
SMALL = {"object_store_memory": 80 * 2**20}  # /dev/shm is small in containers


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of all nodes, which inherit it when they are started."""
    return tmp_path_factory.mktemp("nodes")


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[Any]:
    if not sys.platform.startswith("linux"):
        pytest.skip("Ray's clusters of several nodes are for Linux")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv(
            "RAY_health_check_period_ms", "500"
        )  # a killed node is noticed in seconds, a slow one is not killed
        patch.setenv("HWCOMPAT_HOME", str(home))
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        made = Cluster()
        try:
            added(made, num_gpus=0, include_dashboard=False, node_name="head")
            added(made, num_gpus=2, node_name="n1")
            added(made, num_gpus=2, node_name="n2")
            yield made
        finally:
            made.shutdown()


def added(cluster: Any, **about: Any) -> Any:
    """A new node. Ray gives its processes 30 seconds to start, which a busy machine may not have: three tries."""
    for _ in range(2):
        with contextlib.suppress(Exception):
            return cluster.add_node(num_cpus=0, **about, **SMALL)
    return cluster.add_node(num_cpus=0, **about, **SMALL)


def text(number: int = 0) -> str:
    env = Environment("linux", "x86_64")
    return reports.to_json(Report(f"{number:016x}", "2026-11-21T01:02:03Z", "0.1.0", "1", "quick", 0, "cuda:0", env))


def doing(folder: Path, plan: dict[str, str] | None = None) -> Callable[[Any], Any]:
    """What a node is asked to do: leave a trace in `folder`, then act as `plan["node gpu"]` says."""
    where, acts = str(folder), dict(plan or {})

    def work(ask: Any) -> Any:
        me = f"{ask['node']} {os.environ['CUDA_VISIBLE_DEVICES']}"
        Path(where, f"{me} began {time.time_ns()}").touch()
        act = acts.get(me, "")
        if act == "raise":
            raise ValueError("this GPU is haunted")
        if act == "die":
            time.sleep(1)  # Ray sends a task's messages in the background: a real probe takes longer than that
            os._exit(11)
        if act == "hang":
            time.sleep(3600)
        if act == "wait":
            while not Path(where, "go").exists():
                time.sleep(0.05)
        Path(where, f"{me} ended {time.time_ns()}").touch()
        return task.answer(text(time.time_ns() % 2**60), 0.0, "0000:01:00.0")

    return work


def traces(folder: Path, word: str) -> Counter[str]:
    return Counter(path.name.partition(f" {word} ")[0] for path in folder.glob(f"* {word} *"))


def drive(cluster: Any, folder: Path, work: Any, run: str = "r1", **changes: Any) -> engine.Tally:
    asked: dict[str, Any] = {
        "address": cluster.address, "level": "quick", "seed": 0, "minutes": None, "python": None, "processors": False,
        "only": (), "skip_mixed": False, "timeout": 60.0, "wait": 60.0, "attempts": 2, "in_flight": 100,
    }  # fmt: skip
    return driving.probe_fleet(run, folder, lambda *told: None, work=work, **{**asked, **changes})


def slots(folder: Path, run: str = "r1") -> set[str]:
    found = engine.finished_slots(folder, run)
    return {f"{node} {slot}" for node, of_node in found.items() for slot in of_node}


def until(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


ALL = {"n1 0", "n1 1", "n2 0", "n2 1"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "traces").mkdir()
    return tmp_path


def test_every_gpu_is_measured_once_and_a_resumed_run_repeats_none(cluster: Any, place: Path, home: Path) -> None:
    out, seen = place / "out", place / "traces"
    tally = drive(cluster, out, doing(seen), run="once")
    assert slots(out, "once") == ALL
    assert tally.measured == 4
    again = drive(cluster, out, doing(seen), run="once")
    assert (again.measured, again.skipped) == (0, 4)
    # One result is gone from the folder, another from the folder and from its node's spool.
    for node in ("n1", "n2"):
        (out / "shards" / f"{shards.shard_key('once', node, '1')}.json").unlink()
    kept = {path: json.loads(path.read_bytes())["facts"] for path in (home / "fleet").glob("*.json")}
    (lost,) = [path for path, of in kept.items() if (of["run"], of["node"], of["slot"]) == ("once", "n2", "1")]
    lost.unlink()
    third = drive(cluster, out, doing(seen), run="once")
    assert (third.measured, third.delivered, third.skipped) == (2, 1, 2)
    assert slots(out, "once") == ALL
    assert traces(seen, "began") == {"n1 0": 1, "n1 1": 1, "n2 0": 1, "n2 1": 2}


@pytest.mark.long
def test_failures_of_all_kinds_are_results(cluster: Any, place: Path) -> None:
    out, seen = place / "out", place / "traces"
    plan = {"n1 0": "die", "n1 1": "raise", "n2 0": "hang"}
    tally = drive(cluster, out, doing(seen, plan), run="ill", timeout=4.0)
    assert slots(out, "ill") == {"n2 1"}
    found = {f"{one.node} {one.slot}": one for one in shards.failed(out, "ill")}
    assert {name: one.outcome for name, one in found.items()} == {
        "n1 0": "lost",
        "n1 1": "crashed",
        "n2 0": "timeout",
    }
    assert "haunted" in found["n1 1"].detail
    assert {one.attempts for one in found.values()} == {2}
    assert sum(tally.failed.values()) == 6
    assert traces(seen, "began")["n2 1"] == 1, "the sound one was not repeated with the others"


@pytest.mark.long
def test_a_node_that_is_killed_costs_its_own_gpus_and_resume_gets_them(cluster: Any, place: Path) -> None:
    out, seen = place / "out", place / "traces"
    here: dict[str, Any] = {"run": "killed", "only": ("n1", "n3"), "timeout": 300.0}
    doomed = added(cluster, num_gpus=2, node_name="n3")
    killer = subprocess.Popen([sys.executable, "-c", KILL, str(seen), str(_raylet(doomed))], stdin=subprocess.DEVNULL)
    try:
        tally = drive(cluster, out, doing(seen, {"n3 0": "hang", "n3 1": "hang"}), **here)
    finally:
        assert killer.wait(60) == 0
        cluster.remove_node(doomed, allow_graceful=False)
    assert slots(out, "killed") == {"n1 0", "n1 1"}
    assert tally.failed["lost"] == 2
    assert {one.node for one in shards.failed(out, "killed")} == {"n3"}
    back = added(cluster, num_gpus=2, node_name="n3")
    try:
        resumed = drive(cluster, out, doing(seen), **here)
    finally:
        cluster.remove_node(back, allow_graceful=False)
    assert (resumed.measured, resumed.skipped) == (2, 2)
    assert slots(out, "killed") == {"n1 0", "n1 1", "n3 0", "n3 1"}
    assert not list(shards.failed(out, "killed"))
    assert traces(seen, "began") == {"n1 0": 1, "n1 1": 1, "n3 0": 2, "n3 1": 2}


KILL = """
import os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
while len(list(folder.glob("n3 * began *"))) < 2 or len(list(folder.glob("n1 * ended *"))) < 2:
    time.sleep(0.05)
os.kill(int(sys.argv[2]), signal.SIGKILL)
"""


def _raylet(node: Any) -> int:
    (process,) = node.all_processes["raylet"]
    return process.process.pid


DRIVER = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background of a shell has it ignored
sys.path.insert(0, {tests!r})
import test_ray_engine as here
import ray
from hwcompat.fleet.stopping import prompt_end
ray.cloudpickle.register_pickle_by_value(here)
class Joined: address = {address!r}
work = here.doing(Path({seen!r}), {{"n2 1": "wait"}})
try:
    with prompt_end(lambda: None) as stopped:
        here.drive(Joined, Path({out!r}), work, run={run!r}, only=("n2",), stopped=stopped)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "ending",
    [
        pytest.param("SIGKILL", id="killed"),
        pytest.param(
            "SIGINT",
            id="interrupted",
            marks=pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to one process"),
        ),
    ],
)
def test_the_death_of_the_driver_loses_and_repeats_nothing(cluster: Any, place: Path, home: Path, ending: str) -> None:
    out, seen = place / "out", place / "traces"
    run = ending.lower()
    code = DRIVER.format(
        tests=str(Path(__file__).parent), address=cluster.address, seen=str(seen), out=str(out), run=run
    )
    env = {**os.environ, "HWCOMPAT_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, env=env) as driver:
        try:
            until(lambda: slots(out, run) == {"n2 0"} and bool(traces(seen, "began")["n2 1"]))
            driver.send_signal(getattr(signal, ending))
            assert driver.wait(60) == (130 if ending == "SIGINT" else -9)
        finally:
            driver.kill()
    assert slots(out, run) == {"n2 0"}
    (seen / "go").touch()
    tally = drive(cluster, out, doing(seen), run=run, only=("n2",))
    assert (tally.measured, tally.skipped) == (1, 1)
    assert slots(out, run) == {"n2 0", "n2 1"}
    assert traces(seen, "began")["n2 0"] == 1


def test_two_runs_never_share_a_folder_and_nothing_is_overwritten(cluster: Any, place: Path) -> None:
    out, seen = place / "out", place / "traces"
    drive(cluster, out, doing(seen), run="first", only=("n1",))
    before = {path: path.read_bytes() for path in sorted(out.rglob("*.json"))}
    with pytest.raises(UsageError, match="holds run first, not second"):
        drive(cluster, out, doing(seen), run="second", only=("n1",))
    with pytest.raises(UsageError, match="was begun with level 'quick', not 'standard'"):
        drive(cluster, out, doing(seen), run="first", only=("n1",), level="standard")
    assert {path: path.read_bytes() for path in sorted(out.rglob("*.json"))} == before


@pytest.mark.long
def test_nodes_with_another_version_are_named_before_anything_is_written(
    cluster: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "__version__", "9.9.9")
    with pytest.raises(MachineError, match=r"2 of 2 nodes do not have this version \(hwcompat .*n1, n2") as caught:
        drive(cluster, place / "out", doing(place), run="mixed")
    assert "pip install hwcompat==9.9.9" in caught.value.hint
    assert not (place / "out").exists()
    tally = drive(cluster, place / "out", doing(place), run="mixed", skip_mixed=True)
    assert (tally.measured, tally.failed) == (0, {"refused": 2})
    assert [one.outcome for one in shards.failed(place / "out", "mixed")] == ["refused", "refused"]


def test_a_node_that_is_not_there_is_said(cluster: Any, place: Path) -> None:
    with pytest.raises(UsageError, match="no live node is called 'n9'"):
        drive(cluster, place / "out", doing(place), only=("n9",))
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    ("address", "kind", "said"),
    [
        ("127.0.0.1:9", MachineError, "nobody answers at 127.0.0.1:9"),
        ("ray://127.0.0.1:10001", UsageError, "client protocol"),
        ("local", UsageError, "is no address"),
        ("host:port", UsageError, "is no address"),
        ("", UsageError, "is no address"),
    ],
)
def test_a_wrong_address_says_so_at_once(address: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said), ray_engine.connected(address):
        pass


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_a_server_that_is_no_ray_is_told_from_one(answer: bytes) -> None:
    """Ray itself asks it for minutes: the dashboard's port in place of the head's is an easy mistake."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            there, _ = server.accept()
            with there:
                there.recv(64)
                there.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(MachineError, match="is no head of a Ray cluster"), ray_engine.connected(address):
            pass
        thread.join()


def test_without_a_cluster_none_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(**given: Any) -> None:
        assert given["address"] == "auto"
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "init", none)
    with pytest.raises(MachineError, match="no Ray cluster at auto") as caught, ray_engine.connected("auto"):
        pass
    assert "ray start --head" in caught.value.hint


def test_another_version_of_ray_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def mismatch(**_: Any) -> None:
        raise RuntimeError("Version mismatch: The cluster was started with:\n  Ray: 2.9.0\n  Python: 3.8.1")

    monkeypatch.setattr(ray, "init", mismatch)
    with pytest.raises(MachineError, match=r"does not fit the cluster: .*Ray: 2\.9\.0"), ray_engine.connected("auto"):
        pass


def test_without_ray_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MachineError, match="Ray is not installed") as caught, ray_engine.connected("auto"):
        pass
    assert "hwcompat[fleet]" in caught.value.hint


class Listing:
    """A cluster that only tells its nodes: (name given to it, resources)."""

    def __init__(self, *nodes: tuple[str, dict[str, float]]) -> None:
        common = {"Alive": True, "NodeManagerAddress": "10.0.0.1", "NodeManagerHostname": "h"}
        self._nodes = [
            {**common, "NodeID": str(n), "NodeName": name, "Resources": resources}
            for n, (name, resources) in enumerate(nodes)
        ]

    def nodes(self) -> list[dict[str, Any]]:
        return self._nodes


def test_a_head_that_dies_is_said_and_one_that_is_restarted_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(ray_engine.time, "monotonic", lambda: now[0])
    head = socket.create_server(("127.0.0.1", 0))
    port = head.getsockname()[1]
    fake = Listing(("a", {"GPU": 2.0}))
    fake.remote = lambda **_: lambda function: function  # type: ignore[attr-defined]
    fake.get_runtime_context = lambda: SimpleNamespace(gcs_address=f"127.0.0.1:{port}")  # type: ignore[attr-defined]
    cluster = ray_engine.RayCluster(fake, lambda _: {}, processors=False)
    assert [node.name for node in cluster.nodes()] == ["a"]
    head.close()
    assert [node.name for node in cluster.nodes()] == ["a"], "no node is given up for it"
    now[0] += ray_engine.HEAD_SECONDS - 1
    cluster.nodes()
    with socket.create_server(("127.0.0.1", port)):
        cluster.nodes()
    now[0] += 5
    cluster.nodes()
    now[0] += ray_engine.HEAD_SECONDS + 1
    with pytest.raises(MachineError, match="head of the Ray cluster is gone") as caught:
        cluster.nodes()
    assert "same folder" in caught.value.hint


def test_two_nodes_of_one_name_are_refused() -> None:
    twins = Listing(("10.0.0.1", {"GPU": 1.0}), ("", {"GPU": 1.0}))
    with pytest.raises(MachineError, match="'h' for one") as caught:
        ray_engine.live_nodes(twins, processors=False)
    assert "--node-name" in caught.value.hint


def test_a_cluster_without_gpus_says_so() -> None:
    with pytest.raises(MachineError, match="no GPU in this Ray cluster") as caught:
        ray_engine.live_nodes(Listing(("a", {"CPU": 4.0})), processors=False)
    assert "--processors" in caught.value.hint
    assert [node.slots for node in ray_engine.live_nodes(Listing(("a", {"CPU": 4.0})), processors=True)] == [1]


def test_the_real_probe_of_a_processor_through_the_command(cluster: Any, place: Path, command: list[str]) -> None:
    line = [*command, "fleet", "probe", "--address", cluster.address, "--processors", "--node", "n1", "--run", "real"]
    done = subprocess.run(
        [*line, "--out", str(place / "out"), "--python", sys.executable],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert "1 measured now, 0 finished before, of 1" in done.stderr
    assert slots(place / "out", "real") == {"n1 cpu"}
    (found,) = [one for one in (place / "out" / "shards").glob("*.json") if not one.name.endswith(".private.json")]
    report = reports.read_report(found)
    assert report.device == "cpu"
    assert report.measured
    assert "n1" not in json.dumps(json.loads(found.read_text(encoding="utf-8")).get("environment"))
