"""Whether other programs had the processor while something was timed on it.

Quartiles do not show that: threads that meet at barriers wait whole time slices, all variants alike, and every ratio
approaches 1. On two cores with one more busy program a ratio of 0.09 was measured as 1.00 +- 0.01.
"""

import glob
import os
from time import perf_counter, thread_time

STRETCH = 1.3
"""From this factor on, waiting for the processor counts: the same share as the spread that is noted as noisy."""


def start():
    """The state to hand to `crowded_since`."""
    return perf_counter(), thread_time(), run_delays()


def crowded_since(state):
    """True if waiting for the processor stretched the time since `state` by more than STRETCH.

    Where the system counts, that is the longest wait of any thread: on an idle machine below 0.06 of the time, with one
    busy program beside it 0.5 and more. Elsewhere it is the time in which this thread did not run, which says so only
    while threads spin at barriers (OpenMP's default), for a thread that sleeps there does not run either.
    """
    started, own, before = state
    elapsed = perf_counter() - started
    after = run_delays()
    if after:
        longest = max(delay - before.get(thread, 0.0) for thread, delay in after.items())
        return longest * STRETCH > elapsed * (STRETCH - 1)
    sleeping = os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE"
    return not sleeping and (thread_time() - own) * STRETCH < elapsed


def run_delays():
    """{thread: seconds it was ready to run and had to wait}; empty where the system does not say, as outside Linux.

    https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
    """
    delays = {}
    for path in glob.glob("/proc/self/task/*/schedstat"):
        try:
            with open(path, encoding="ascii") as handle:
                running, waiting = handle.read().split()[:2]
        except (OSError, ValueError):
            continue  # the thread has ended meanwhile, or the kernel was built without these counts
        if int(running):
            delays[path] = int(waiting) * 1e-9
    return delays
