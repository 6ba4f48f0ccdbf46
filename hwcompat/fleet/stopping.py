"""Ctrl-C that ends the driver of a fleet within seconds, whatever a library is doing at that moment.

Python raises KeyboardInterrupt between two of its own instructions: not while a call into an engine's C++ is waiting,
and it is lost where it falls into a finaliser. And an engine's own shutdown, which runs on the way out and once more
when the interpreter ends, can wait for a thread that never comes (https://github.com/ray-project/ray/issues/29431,
https://github.com/ray-project/ray/issues/44836). So a thread of our own is told of the signal by the operating system,
and ends the process when the orderly way takes too long. Nothing is lost by that: every result is on disk, whole, as
soon as it is there, and the engine ends the tasks of a driver that is gone.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator

from hwcompat.errors import INTERRUPTED

PATIENCE = 10.0
"""Seconds from Ctrl-C to the end of the process at the latest; a second Ctrl-C ends it at once."""
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Stop:
    """Whether a signal to end has come. Loops ask it: a KeyboardInterrupt can be lost, this cannot."""

    def __init__(self) -> None:
        self._seen = threading.Event()
        self.raised = False

    def __call__(self) -> bool:
        return self._seen.is_set()

    def note(self) -> None:
        self._seen.set()

    def interrupt(self, _number: int, _frame: object) -> None:
        """A handler of signals: the first one is a KeyboardInterrupt; what follows on the next is the watch's."""
        self.note()
        if not self.raised:
            self.raised = True
            raise KeyboardInterrupt


@contextlib.contextmanager
def prompt_end(last_words: Callable[[], None], patience: float = PATIENCE) -> Iterator[Stop]:
    """SIGINT, and SIGTERM and SIGHUP like it, raise KeyboardInterrupt inside; `patience` seconds later, or at the next
    of them, the process ends with exit code 130, after `last_words` (called in a thread).

    A signal that whoever started this process has it ignore stays ignored. Outside the main thread, which alone may
    decide about signals, nothing changes.
    """
    stop = Stop()
    numbers = [number for number in _numbers() if signal.getsignal(number) is not signal.SIG_IGN]
    if threading.current_thread() is not threading.main_thread() or not numbers:
        yield stop
        return
    ends = ours, theirs = socket.socketpair()  # a pipe would not do on Windows
    theirs.setblocking(False)
    before = {number: signal.signal(number, stop.interrupt) for number in numbers}
    told = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watch = threading.Thread(target=_watch, args=(ends, frozenset(numbers), stop, last_words, patience), daemon=True)
    watch.start()
    try:
        yield stop
    finally:
        if not stop():  # else the watch goes on: what the interpreter does on its way out can hang as well
            signal.set_wakeup_fd(told)
            for number, handler in before.items():
                signal.signal(number, handler)
            theirs.close()
            watch.join()
            ours.close()


def _numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]


def _watch(
    ends: tuple[socket.socket, socket.socket], numbers: frozenset[int], stop: Stop, last_words: Callable[[], None],
    patience: float,
) -> None:  # fmt: skip
    """Wait for a signal, then for the next or until the time is up; or until there is nothing to watch any more. Both
    `ends` live as long as this does."""
    ours, _ = ends
    if not _came(ours, numbers):
        return
    stop.note()
    atexit.register(_leave)  # what is registered last is called first: before the engine's own
    ours.settimeout(patience)
    with contextlib.suppress(TimeoutError):
        _came(ours, numbers)
    with contextlib.suppress(Exception):
        last_words()
    _leave()


def _came(ours: socket.socket, numbers: frozenset[int]) -> bool:
    """True once one of these signals has come, False when the other end was closed."""
    while found := ours.recv(64):
        if numbers & frozenset(found):
            return True
    return False


def _leave() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(INTERRUPTED)
