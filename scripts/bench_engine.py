"""What `hwcompat fleet probe` adds to a GPU's own probe: seconds from the task's start on Ray to its result on disk,
less those that the probe itself took.

    python scripts/bench_engine.py [--nodes 2] [--gpus 1] [--repeat 5] [--busy N]
    python scripts/bench_engine.py --address HOST:PORT [--node NAME ...] [--repeat 5]

Without --address a Ray cluster of made-up nodes with made-up GPUs is started on this machine, and each repetition runs
one task a GPU, all at once as the command does. Each begins in a process of its own, and makes a real quick probe: of
the processor, since there is no such GPU. With --address the processors of a real cluster's nodes are probed, or of
those that --node names; there Ray may take a process for it that is at hand. Every repetition is a run of its own in a
folder of its own. --busy: processes that do nothing but keep a processor busy meanwhile. Prints one JSON object; exit 1
if the median is above 2 s. Needs hwcompat[fleet] and a torch.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hwcompat.fleet import driving, task  # noqa: E402

MOST_SECONDS = 2.0
SMALL = {"object_store_memory": 80 * 2**20}  # /dev/shm is small in containers


@contextlib.contextmanager
def made_up_cluster(count: int, gpus: int) -> Iterator[str]:
    """The address of a new cluster of `count` nodes with so many GPUs each, besides its head."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        cluster.add_node(num_cpus=0, num_gpus=0, include_dashboard=False, node_name="head", **SMALL)
        for number in range(count):
            cluster.add_node(num_cpus=0, num_gpus=gpus, node_name=f"n{number}", **SMALL)
        yield str(cluster.address)
    finally:
        cluster.shutdown()


def probe_the_processor(ask: Any) -> Any:
    """What a node with made-up GPUs does instead."""
    return task.measure({**ask, "processor": True})


def one_run(address: str, only: tuple[str, ...], number: int, folder: Path, real: bool) -> dict[str, Any]:
    """The figures of one run over all nodes; seconds. real: nodes that somebody else has started."""
    begun, started = time.monotonic(), {}

    def tell(_done: int, _total: int, label: str) -> None:
        started.setdefault(label.rpartition(" ")[2], time.monotonic() - begun)

    tally = driving.probe_fleet(
        f"bench-{os.getpid()}-{number}", folder / str(number), tell, address=address, level="quick", seed=number,
        minutes=None, python=sys.executable, processors=real, only=only, skip_mixed=False, timeout=600.0, wait=600.0,
        attempts=1, in_flight=1000, work=task.measure if real else probe_the_processor,
    )  # fmt: skip
    if not tally.overheads:
        raise SystemExit(f"nothing was measured: {dict(tally.failed)}")
    whole = time.monotonic() - begun
    facts = {"overheads": tally.overheads, "first_task_after": started["probing"], "whole_run": whole}
    return {name: [round(one, 2) for one in x] if isinstance(x, list) else round(x, 2) for name, x in facts.items()}


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    children = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--address")
    parser.add_argument("--node", action="append", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, contextlib.ExitStack() as stack:
        os.environ.update(HWCOMPAT_HOME=home, PYTHONPATH=str(ROOT), RAY_USAGE_STATS_ENABLED="0")
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        address = options.address or stack.enter_context(made_up_cluster(options.nodes, options.gpus))
        stack.enter_context(busy(options.busy))
        runs = [
            one_run(address, tuple(options.node), number, Path(home, "runs"), bool(options.address))
            for number in range(options.repeat)
        ]
        load = os.getloadavg()
    every = [one for run in runs for one in run["overheads"]]
    found = {"median": round(statistics.median(every), 2), "least": min(every), "most": max(every), "gpus": len(every)}
    machine = {"python": platform.python_version(), "processors": os.cpu_count(), "load": load, "busy": options.busy}
    print(json.dumps({"overhead_s": found, "runs": runs, "machine": machine}, indent=1))
    return 1 if found["median"] > MOST_SECONDS else 0


if __name__ == "__main__":
    sys.exit(main())
