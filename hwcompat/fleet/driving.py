"""One call of `hwcompat fleet probe`: join the cluster, hold the roll call, measure what is not finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hwcompat import __version__, measure
from hwcompat.fleet import ray_engine, shards, task
from hwcompat.fleet.engine import Limits, Tally, Tell, work_through


def probe_fleet(
    run_id: str,
    folder: Path,
    tell: Tell,
    *,
    address: str,
    level: str,
    seed: int,
    minutes: float | None,
    python: str | None,
    processors: bool,
    only: Sequence[str],
    skip_mixed: bool,
    timeout: float,
    wait: float,
    attempts: int,
    in_flight: int,
    work: task.Work = task.measure,
    stopped: Callable[[], bool] = lambda: False,
) -> Tally:
    """Measure every GPU (or processor) of the Ray cluster at `address` into `folder`; see commands/fleet_probe.py.

    Nothing is written before cluster, nodes and versions are known to fit. MachineError and UsageError as ray_engine
    and shards raise them. `work` is what a node is asked to do; `stopped`: see engine.work_through.
    """
    measure.load_seconds(measure.select_probes(level, ()), minutes)  # refuses what does not go together
    run = shards.Run(
        run_id,
        __version__,
        measure.SUITE_VERSION,
        level,
        seed,
        began=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    ask = {
        "run": run_id, "level": level, "seed": seed, "python": python, "minutes": minutes, "processor": processors,
    }  # fmt: skip
    with ray_engine.connected(address) as ray:
        tell(0, 0, "roll call")
        nodes = ray_engine.live_nodes(ray, processors, only)
        roll = ray_engine.roll_call(ray, nodes, skip_mixed)
        ask["began"] = shards.open_run(folder, run).began
        with shards.driving(folder):
            for node, outcome, why in roll.absent:
                shards.write_failed(folder, shards.Sidecar(run_id, node.name, "", outcome, detail=why))
            cluster = ray_engine.RayCluster(ray, work, processors)
            limits = Limits(timeout, wait, attempts, in_flight)
            tally = work_through(cluster, roll.ready, ask, folder, limits, tell, stopped=stopped)
    for _, outcome, _ in roll.absent:
        tally.failed[outcome] += 1
    return tally
