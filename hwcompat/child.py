"""Starts a process that cannot outlive its parent, ends it with all its children, and says in words how it ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_KILL_WAIT_SECONDS = 10.0
"""A process stuck inside a driver does not die even of SIGKILL; after this it is left behind."""
_DROPPED = frozenset({"PYTHONINSPECT", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONHOME", "__PYVENV_LAUNCHER__"})
"""Settings of this interpreter that would hang or break another one."""
_WINDOWS_CODES = {
    0xC0000005: "access violation",
    0xC000001D: "illegal instruction",
    0xC0000094: "division by zero",
    0xC00000FD: "stack overflow",
    0xC0000135: "a library is missing",
    0xC000013A: "Ctrl-C",
    0xC0000374: "heap corruption",
    0xC0000409: "abort",
}
"""https://learn.microsoft.com/openspecs/windows_protocols/ms-erref/596a1078-e883-4972-9bbc-49e60bebca55"""


@dataclass(frozen=True)
class Child:
    """A running process, the file that takes its standard output and error, and what holds it (Windows)."""

    process: subprocess.Popen[bytes]
    output: Path
    job: _Job | None = None
    oom_kills: int = 0


def start(command: Sequence[str], folder: Path, memory_limit: int | None = None) -> Child:
    """Start `command` in `folder`, in a process group of its own; OSError where it cannot be started.

    `memory_limit` (bytes) is set here on Windows only; on POSIX the worker limits itself.
    """
    output = folder / "output.txt"
    windows = sys.platform == "win32"
    with output.open("ab") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=_environment(os.environ),
            start_new_session=not windows,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    return Child(process, output, _Job(process, memory_limit) if windows else None, _oom_kills())


def _environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """The child's environment: the user's, without what would change another interpreter's behaviour."""
    kept = {name: value for name, value in inherited.items() if name not in _DROPPED}
    # The current folder is left out: any `inspect.py` there would be taken for the standard library's.
    entries = [str(Path(entry).absolute()) for entry in kept.pop("PYTHONPATH", "").split(os.pathsep)]
    path = [entry for entry in entries if entry != str(Path.cwd())]
    # By default GNU OpenMP's threads spin at barriers for milliseconds: beside one other busy process on two cores the
    # convolution and norm probes took over 50 s instead of 7. A short spin (11 s) leaves the figures of an idle machine
    # as they are; sleeping at once (7 s) made a small fp32 training step three times slower there.
    if not kept.keys() & {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}:
        kept["GOMP_SPINCOUNT"] = "10000"
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **({"PYTHONPATH": os.pathsep.join(path)} if path else {})}


def kill(child: Child) -> None:
    """End the process and its children, and wait until it is gone."""
    with contextlib.suppress(OSError):
        if child.job is not None:
            child.job.terminate()
        elif child.process.poll() is None and sys.platform != "win32":
            os.killpg(child.process.pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        child.process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.process.wait(_KILL_WAIT_SECONDS)


# --- how it ended -----------------------------------------------------------------------------------------------------


def ending(code: int) -> str:
    """A return code in words: "SIGSEGV", "access violation (0xC0000005)", "exit code 3"."""
    if -64 < code < 0 or 128 < code < 160:  # a shell that wraps the interpreter reports 128 + the signal
        with contextlib.suppress(ValueError):
            return signal.Signals(-code if code < 0 else code - 128).name
    if code & 0xFFFFFFFF in _WINDOWS_CODES:
        return f"{_WINDOWS_CODES[code & 0xFFFFFFFF]} (0x{code & 0xFFFFFFFF:08X})"
    return f"exit code {code}"


def killed_for_memory(child: Child) -> bool:
    """True if the system killed the process because memory had run out (Linux tells)."""
    return child.process.poll() == -9 and _oom_kills() > child.oom_kills


def _oom_kills() -> int:
    """How many processes the kernel has killed for memory since it started."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = Path("/proc/vmstat").read_text(encoding="ascii")
        return int(text.split("oom_kill ")[1].split()[0])
    return 0


def last_words(output: Path, since: int = 0, lines: int = 3) -> str:
    """The last lines a child printed after byte `since`, in one line of at most 600 characters, without folders.

    Where Python's fault handler spoke, what it said first is worth more than the end of its list of frames.
    """
    with contextlib.suppress(OSError), output.open("rb") as handle:
        size = handle.seek(0, os.SEEK_END)
        handle.seek(max(since, size - 8192))
        text = handle.read().decode("utf-8", "replace")
        said = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
        return without_folders(" | ".join(_fatal(said, lines) or said[-lines:]))[-600:]
    return ""


def _fatal(said: list[str], lines: int) -> list[str]:
    """The fault handler's first line and the innermost frames of the thread that broke; empty if it did not speak."""
    starts = [n for n, line in enumerate(said) if line.startswith(("Fatal Python", "Windows fatal"))]
    threads = [n for n, line in enumerate(said) if line.startswith("Current thread")]
    first = said[starts[-1] : starts[-1] + 1] if starts else []
    return first + (said[threads[-1] + 1 : threads[-1] + lines] if first and threads else [])


_QUOTED = re.compile(r"""(["'])(?:[A-Za-z]:[\\/]|/|\\\\)[^"'\n]*[\\/]([^"'\\/\n]*)\1""")
_BARE = re.compile(r"(?<![\w.:/\\])(?:[A-Za-z]:[\\/]|/|\\\\)(?:[^\s\"'\\/|]+[\\/])+")


def without_folders(text: str) -> str:
    """`text` with every path cut down to its file name."""
    for home in {str(Path.home()), os.environ.get("HOME", "")} - {"", "/", "\\"}:
        text = text.replace(home, "/~")
    return _BARE.sub("", _QUOTED.sub(r"\1\2\1", text))


# --- Windows ----------------------------------------------------------------------------------------------------------


class _Job:
    """A Windows job object: closing its handle, which the end of this process does too, ends everything inside."""

    def __init__(self, process: subprocess.Popen[bytes], memory_limit: int | None) -> None:
        self.handle: int | None = None
        if sys.platform == "win32":
            self.handle = _create_job(int(process._handle), memory_limit)  # type: ignore[attr-defined]

    def terminate(self) -> None:
        if sys.platform == "win32" and self.handle:
            _kernel32().TerminateJobObject(self.handle, 1)
            _kernel32().CloseHandle(self.handle)
            self.handle = None


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _EXTENDED_LIMIT_INFORMATION = 9
    _KILL_ON_JOB_CLOSE = 0x2000
    _PROCESS_MEMORY = 0x100

    class _Basic(ctypes.Structure):
        _fields_ = (
            ("PerProcessUserTimeLimit", wintypes.LARGE_INTEGER),
            ("PerJobUserTimeLimit", wintypes.LARGE_INTEGER),
            ("LimitFlags", wintypes.DWORD),
            ("MinimumWorkingSetSize", ctypes.c_size_t),
            ("MaximumWorkingSetSize", ctypes.c_size_t),
            ("ActiveProcessLimit", wintypes.DWORD),
            ("Affinity", ctypes.c_size_t),
            ("PriorityClass", wintypes.DWORD),
            ("SchedulingClass", wintypes.DWORD),
        )

    class _Extended(ctypes.Structure):
        _fields_ = (
            ("Basic", _Basic),
            ("IoInfo", ctypes.c_ulonglong * 6),
            ("ProcessMemoryLimit", ctypes.c_size_t),
            ("JobMemoryLimit", ctypes.c_size_t),
            ("PeakProcessMemoryUsed", ctypes.c_size_t),
            ("PeakJobMemoryUsed", ctypes.c_size_t),
        )

    def _kernel32() -> ctypes.WinDLL:
        library = ctypes.WinDLL("kernel32", use_last_error=True)
        library.CreateJobObjectW.restype = wintypes.HANDLE
        library.CreateJobObjectW.argtypes = (ctypes.c_void_p, wintypes.LPCWSTR)
        library.SetInformationJobObject.argtypes = (wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD)
        library.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
        library.TerminateJobObject.argtypes = (wintypes.HANDLE, wintypes.UINT)
        library.CloseHandle.argtypes = (wintypes.HANDLE,)
        return library

    def _create_job(process: int, memory_limit: int | None) -> int | None:
        """A job holding `process`; None where Windows refuses (the watchdog's absence is then the only loss)."""
        job = _kernel32().CreateJobObjectW(None, None)
        limits = _Extended()
        limits.Basic.LimitFlags = _KILL_ON_JOB_CLOSE | (_PROCESS_MEMORY if memory_limit else 0)
        limits.ProcessMemoryLimit = memory_limit or 0
        size = ctypes.sizeof(limits)
        done = _kernel32().SetInformationJobObject(job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), size)
        return job if done and _kernel32().AssignProcessToJobObject(job, process) else None
