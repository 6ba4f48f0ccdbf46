"""CPU time of `hwcompat recommend` for a named card, against importing what any such program needs.

    python scripts/bench_cli.py [--runs 15] [--command hwcompat]

The two processes alternate, so that a busy machine slows both. Reported: the lower quartile of user + system seconds
(what else runs can only add), and their ratio, which is to stay at or below 2. Prints one JSON object, then a line to
read.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

RECOMMEND = ["recommend", "--gpu", "NVIDIA GeForce GTX 1660 Ti", "--driver", "552.22", "--os", "windows"]
RECOMMEND += ["--python", "3.11"]
BASELINE = [sys.executable, "-c", "import click, yaml, csv, json, pathlib, dataclasses"]
BARE = [sys.executable, "-c", "pass"]
LIMIT = 2.0


def cpu_seconds(command: list[str]) -> float:
    """User plus system seconds of one run of `command`, its children included where the system counts them."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    complaint = process.stderr.read()
    seconds, code = _windows_times(process) if os.name == "nt" else _posix_times(process)
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}: {complaint.decode(errors='replace')[-500:]}")
    return seconds


def _posix_times(process: subprocess.Popen[bytes]) -> tuple[float, int]:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, process.returncode


def _windows_times(process: subprocess.Popen[bytes]) -> tuple[float, int]:
    """GetProcessTimes counts in units of 100 ns: https://learn.microsoft.com/windows/win32/api/processthreadsapi/."""
    import ctypes

    code = process.wait()
    times = [ctypes.c_ulonglong() for _ in range(4)]
    handle = ctypes.c_void_p(int(process._handle))
    ctypes.windll.kernel32.GetProcessTimes(handle, *(ctypes.byref(value) for value in times))
    return (times[2].value + times[3].value) * 1e-7, code


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, float]:
    """Lower quartile of each command's CPU seconds; one unmeasured run first fills the caches."""
    samples: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            seconds = cpu_seconds(command)
            if turn:
                samples[name].append(seconds)
    return {name: statistics.quantiles(values, n=4, method="inclusive")[0] for name, values in samples.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--command", nargs="+", default=[sys.executable, "-m", "hwcompat"])
    options = parser.parse_args()
    commands = {"recommend": [*options.command, *RECOMMEND], "baseline": BASELINE, "python": BARE}
    found = measure(commands, options.runs)
    ratio = found["recommend"] / found["baseline"]
    facts = {f"{name}_cpu_ms": round(seconds * 1e3, 1) for name, seconds in found.items()}
    print(json.dumps({**facts, "ratio": round(ratio, 2), "runs": options.runs, "python": platform.python_version()}))
    print(
        f"recommend {found['recommend'] * 1e3:.0f} ms, baseline {found['baseline'] * 1e3:.0f} ms of CPU:"
        f" {ratio:.2f}x, limit {LIMIT:g}x: {'kept' if ratio <= LIMIT else 'EXCEEDED'}"
    )


if __name__ == "__main__":
    main()
