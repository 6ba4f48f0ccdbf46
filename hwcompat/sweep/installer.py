"""Environments made and filled by uv (https://docs.astral.sh/uv/), in a process that cannot outlive this one.

uv comes from the package `uv` of the extra `sweep`, or from PATH. It is never given a shell string, builds nothing from
source (no foreign code runs at installation), and its output goes to a file, of which errors quote the end.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hwcompat import child as children
from hwcompat.errors import MachineError

from .sources import Failure, Source, failure

INSTALL_SECONDS = 3600.0
"""After this an installation counts as hanging: 3 GB at 1 MB/s take 3000 s. uv itself gives up on a silent server."""
PYTHON_SECONDS = 600.0
"""A Python that is not here is downloaded (30 MB)."""
_LOOK_SECONDS = 0.1

Watch = Callable[[], str]
"""Asked while uv works: "" to go on, else why it must stop."""


class InstallError(Exception):
    """The environment could not be made or filled."""

    def __init__(self, why: Failure) -> None:
        super().__init__(why.text)
        self.why = why


def find_uv() -> str:
    """The path of uv. MachineError with the line that installs it."""
    with suppress(ImportError, FileNotFoundError):
        from uv import find_uv_bin

        return str(find_uv_bin())
    found = shutil.which("uv")
    if found:
        return found
    raise MachineError(
        "uv, which makes the environments, is not installed",
        'python -m pip install "hwcompat[sweep]" (in a clone: python -m pip install -e ".[sweep]")',
    )


def python_in(environment: Path) -> Path:
    """The interpreter of an environment, on this system."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


class Uv:
    """uv with the settings of a sweep. `cache`: a cache folder of its own instead of the one that all of uv shares."""

    def __init__(self, program: str, cache: Path | None = None, offline: bool = False) -> None:
        self._program = program
        self._cache = ("--cache-dir", str(cache)) if cache else ()
        self._offline = ("--offline",) if offline else ()

    def make(self, environment: Path, python: str) -> None:
        """An empty environment of `python` (a version or a path). InstallError."""
        words = ["venv", "--no-project", "--allow-existing", "--python", python, str(environment)]
        self._run(words, PYTHON_SECONDS, *self._offline)

    def install(self, environment: Path, source: Source, watch: Watch = lambda: "") -> None:
        """The packages of `source`, wheels only. InstallError; `watch` is asked all the time whether to stop."""
        into = ["pip", "install", "--python", str(python_in(environment)), "--only-binary", ":all:"]
        self._run([*into, *_link_mode(), *source.arguments], INSTALL_SECONDS, watch=watch)

    def _run(self, words: Sequence[str], seconds: float, *more: str, watch: Watch = lambda: "") -> None:
        command = [self._program, *words, *more, *self._cache, "--no-progress", "--color", "never"]
        with _scratch() as folder:
            child = children.start(command, folder)
            try:
                stopped = _await(child, seconds, watch)
            finally:
                children.kill(child)
            if stopped:
                raise InstallError(Failure(stopped))
            if child.process.returncode:
                told = child.output.read_text(encoding="utf-8", errors="replace")[-20_000:]
                raise InstallError(failure(told))


def _link_mode() -> tuple[str, ...]:
    """Hard links into uv's cache, so that a build costs its disk space once; macOS clones files, which is as good."""
    if sys.platform == "darwin" or os.environ.get("UV_LINK_MODE"):
        return ()
    return "--link-mode", "hardlink"


def _await(child: children.Child, seconds: float, watch: Watch) -> str:
    """Wait for its end; why it must be stopped before, "" if it ended by itself."""
    end = time.monotonic() + seconds
    while child.process.poll() is None:
        if time.monotonic() > end:
            return f"it did not end within {seconds:g} s"
        why = watch()
        if why:
            return why
        time.sleep(_LOOK_SECONDS)
    return ""


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for uv to start in: settings of a project in the current folder are not meant."""
    folder = Path(tempfile.mkdtemp(prefix="hwcompat-uv-"))
    try:
        yield folder
    finally:
        remove(folder)


@contextmanager
def orderly_end() -> Iterator[None]:
    """A request to end (a batch system's time limit, a closed terminal) acts like Ctrl-C: nothing stays half-made."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []  # only the main thread may decide about signals
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def remove(folder: Path) -> None:
    """Delete a folder with all that is in it, whatever its files' permissions; a file in use on Windows is left."""
    shutil.rmtree(folder, ignore_errors=True)
    for _ in range(20):  # Windows keeps the files of a process that has just ended for a moment
        if not folder.exists():
            return
        time.sleep(0.1)
        shutil.rmtree(folder, ignore_errors=True)
