"""Ctrl-C ends a driver that is stuck: in a call, on its way out, or because somebody swallowed the interrupt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hwcompat.fleet import stopping

REPOSITORY = Path(__file__).parents[2]
BEGIN = """
import atexit, signal, sys, threading, time
from hwcompat.fleet.stopping import prompt_end
say = lambda: print("how to go on", flush=True)
press = lambda seconds: threading.Timer(seconds, signal.raise_signal, [signal.SIGINT]).start()
def naps(swallowing=False):
    while True:
        try:
            time.sleep(0.02)
        except KeyboardInterrupt:
            print("interrupt", flush=True)
            if not swallowing:
                raise
"""


def ran(text: str) -> tuple[int, list[str]]:
    """(exit code, lines said) of a program; it is given a minute, which only a failure takes."""
    command = [sys.executable, "-c", BEGIN + text]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, timeout=60)
    return done.returncode, done.stdout.splitlines()


def test_an_interrupt_that_is_swallowed_ends_the_process_when_the_time_is_up() -> None:
    code, said = ran("press(0.1)\nwith prompt_end(say, patience=0.5) as stop: naps(swallowing=True)")
    assert (code, said) == (130, ["interrupt", "how to go on"])


def test_a_second_interrupt_ends_it_at_once() -> None:
    code, said = ran("press(0.1); press(0.6)\nwith prompt_end(say, patience=3600) as stop: naps(swallowing=True)")
    assert (code, said) == (130, ["interrupt", "how to go on"])


def test_an_orderly_end_is_not_held_up_by_what_a_library_does_last() -> None:
    code, said = ran("""
atexit.register(time.sleep, 3600)
press(0.1)
try:
    with prompt_end(say, patience=3600) as stop: naps()
except KeyboardInterrupt:
    print("in order", stop())
sys.exit(5)
""")
    assert (code, said) == (130, ["interrupt", "in order True"])


def test_a_signal_that_is_to_be_ignored_stays_ignored() -> None:
    code, said = ran("""
signal.signal(signal.SIGINT, signal.SIG_IGN)
with prompt_end(say) as stop:
    signal.raise_signal(signal.SIGINT)
    time.sleep(0.2)
print(stop())
""")
    assert (code, said) == (0, ["False"])


def test_afterwards_everything_is_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stopping.prompt_end(pytest.fail) as stop:
        assert signal.getsignal(signal.SIGINT) != before
    assert not stop()
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a process can handle")
def test_a_batch_system_that_ends_the_job_is_an_interrupt_too() -> None:
    code, said = ran("""
threading.Timer(0.1, signal.raise_signal, [signal.SIGTERM]).start()
with prompt_end(say, patience=0.5) as stop: naps(swallowing=True)
""")
    assert (code, said) == (130, ["interrupt", "how to go on"])
