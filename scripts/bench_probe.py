"""Wall time and peak memory of `hwcompat probe`, beyond importing torch.

    python scripts/bench_probe.py [--device cpu] [--level quick --level standard] [--python PATH] [--runs 3]

Limits on a CPU with two cores: quick 5 s and standard 60 s beyond the import of torch, 2 GiB in the largest process.
The best of the runs counts (what else runs can only add); memory is the worst. Nothing is recorded. Prints one JSON
object, then lines to read. Peak memory is read where the system tells it of children (not on Windows).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS = {"quick": 5.0, "standard": 60.0}
MEMORY_MIB = 2048


def run(command: list[str], home: str) -> tuple[float, float | None]:
    """Wall seconds and peak MiB (of the largest process of the tree) of one run."""
    environment = {**os.environ, "HWCOMPAT_HOME": home}
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        code, peak = _wait(process)
        seconds = time.perf_counter() - started
        if code:
            output.seek(0)
            text = output.read().decode(errors="replace")
            raise SystemExit(f"{' '.join(command)} ended with {code}: {text[-800:]}")
    return seconds, peak


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, float | None]:
    """Exit code and peak MiB; wait4 includes the descendants that the child itself has waited for."""
    if os.name == "nt":
        return process.wait(), None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is bytes there, KiB elsewhere
    return process.returncode, usage.ru_maxrss / unit


def measure(command: list[str], runs: int, home: str) -> tuple[float, float | None]:
    """Best wall seconds and worst memory of `runs` runs."""
    found = [run(command, home) for _ in range(runs)]
    peaks = [peak for _, peak in found if peak is not None]
    return min(seconds for seconds, _ in found), max(peaks, default=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--level", action="append", choices=("quick", "standard", "full"))
    parser.add_argument("--python", default=sys.executable, help="interpreter whose torch is probed")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        imported, _ = measure([options.python, "-c", "import torch"], options.runs + 1, home)
        levels = {}
        for level in options.level or ["quick", "standard"]:
            command = [sys.executable, "-m", "hwcompat", "probe", "--level", level, "--device", options.device]
            command += ["--python", str(Path(options.python)), "--no-record"]
            seconds, peak = measure(command, options.runs, home)
            levels[level] = {"seconds": seconds, "beyond_import": seconds - imported, "peak_mib": peak}
    facts = {"device": options.device, "import_torch_seconds": imported, "levels": levels, "cores": os.cpu_count()}
    print(json.dumps(facts, default=float))
    for level, found in levels.items():
        print(_sentence(level, found))


def _sentence(level: str, found: dict[str, float | None]) -> str:
    beyond, peak = found["beyond_import"] or 0.0, found["peak_mib"]
    limit = SECONDS.get(level)
    kept = (limit is None or beyond <= limit) and (peak is None or peak <= MEMORY_MIB)
    memory = "memory unknown" if peak is None else f"{peak:.0f} MiB at most"
    against = f", limit {limit:g} s and {MEMORY_MIB} MiB: {'kept' if kept else 'EXCEEDED'}" if limit else ""
    return f"{level}: {beyond:.1f} s beyond importing torch, {memory}{against}"


if __name__ == "__main__":
    main()
