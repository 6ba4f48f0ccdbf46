"""The local store: where reports and rows live, written so that a reader never sees half a file.

home()/reports/<id>.json           one run, redacted
home()/reports/<id>.private.json   which machine and card it was: never exported
home()/matrix/results/<chip>.csv   the rows of those runs
home()/salt                        random; makes the card id meaningless elsewhere
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from .errors import MachineError, UsageError

LOCK_TIMEOUT = 30.0
"""Seconds. A writer holds a lock for one read, merge, write and fsync; twenty in a row on a slow NFS home fit."""

_WINDOWS = os.name == "nt"
_PAUSES = tuple(0.01 * 2**n for n in range(8))  # seconds, 2.55 in all: then the refusal is real
_NO_HARD_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL})
_ID = re.compile(r"[0-9a-f]{16}")
_HINT = "choose a place you can write to (local records: set HWCOMPAT_HOME, or add --no-record)"
_T = TypeVar("_T")


def home() -> Path:
    """The folder of local state: HWCOMPAT_HOME, else the platform's data folder. It need not exist yet."""
    if chosen := os.environ.get("HWCOMPAT_HOME"):
        return _expanded(chosen)
    if sys.platform.startswith("linux"):
        # What platformdirs answers here (a test compares them), without its imports on every start.
        base = os.environ.get("XDG_DATA_HOME", "")
        return Path(base if Path(base).is_absolute() else "~/.local/share").expanduser() / "hwcompat"
    from platformdirs import user_data_dir

    return Path(user_data_dir("hwcompat", appauthor=False))


def _expanded(chosen: str) -> Path:
    try:
        return Path(chosen).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(f"HWCOMPAT_HOME={chosen}: {error}", "name an existing user's home, or a plain path") from error


def matrix_dir() -> Path:
    """The local matrix folder; its rows are in `results/`."""
    return home() / "matrix"


def reports_dir() -> Path:
    return home() / "reports"


# --- atomic writing ---------------------------------------------------------------------------------------------------


def write_atomic(path: Path, text: str, *, mode: int | None = None) -> None:
    """Write `text` (UTF-8, no BOM, line ends as given) so that `path` holds the old or the new content, never a part.

    `mode`: permission bits of the file; default: those of the file replaced, else what the umask allows.
    A link is followed; a device or pipe (`/dev/null`) is written to directly. Raises MachineError.
    """
    write_bytes_atomic(path, text.encode("utf-8", "replace"), mode=mode)


def write_bytes_atomic(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """`write_atomic` for bytes."""
    with _told(path):
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(content)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_and_rename(target, content, mode)


def _write_and_rename(target: Path, content: bytes, mode: int | None) -> None:
    temporary = target.with_name(f"{_temporary_prefix(target)}{os.urandom(6).hex()}.tmp")
    try:
        _write_synced(temporary, content, _mode_for(target) if mode is None else mode)
        _patiently(lambda: temporary.replace(target))
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def _temporary_prefix(path: Path) -> str:
    return f".{path.name}."


def _mode_for(target: Path) -> int | None:
    with suppress(OSError):
        return stat.S_IMODE(target.stat().st_mode)
    return None


def _write_synced(path: Path, content: bytes, mode: int | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o666 if mode is None else mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if mode is not None:
        with suppress(OSError):  # a share without permission bits: the content matters more
            path.chmod(mode)


def _patiently(action: Callable[[], _T], sleep: Callable[[float], None] = time.sleep) -> _T:
    """On Windows a file that a virus scanner, a reader or a renaming writer has open is refused for a moment."""
    for pause in _PAUSES if _WINDOWS else ():
        try:
            return action()
        except PermissionError:
            sleep(pause)
    return action()


def read_bytes(path: Path) -> bytes:
    """The whole content, while others may be replacing the file. Raises OSError."""
    return _patiently(path.read_bytes)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable where a folder can be synced (not on Windows, not on every network share)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep_temporaries(path: Path) -> None:
    """Remove what killed writers of `path` left beside it. Only under `lock(path)`: then no writer is alive."""
    target = Path(os.path.realpath(path))
    prefix = _temporary_prefix(target)
    with suppress(OSError):
        for entry in list(target.parent.iterdir()):
            if entry.name.startswith(prefix) and entry.name.endswith(".tmp"):
                entry.unlink()


# --- locking ----------------------------------------------------------------------------------------------------------


@contextmanager
def lock(path: Path, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold the right to change `path`, among processes and threads, through a hidden lock file beside it.

    The file stays behind: removing it would let two waiters lock two different files. MachineError after `timeout`
    seconds, or where the folder cannot be written.
    """
    target = Path(os.path.realpath(path))
    with _told(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        held = _acquire(target, timeout)
    try:
        yield
    finally:
        held.release()


def _acquire(target: Path, timeout: float) -> Any:
    import filelock

    hard = target.with_name(f".{target.name}.lock")
    try:
        return _acquired(filelock.FileLock(str(hard)), timeout)
    except filelock.Timeout:
        raise _busy(target, hard, timeout) from None
    except (OSError, NotImplementedError) as error:
        if not _lacks_hard_locks(error):
            raise
    # Its own name: the file left by the failed attempt would look like somebody's soft lock for ever.
    soft = target.with_name(f".{target.name}.softlock")
    try:
        return _acquired(filelock.SoftFileLock(str(soft)), timeout)
    except filelock.Timeout:
        raise _busy(target, soft, timeout) from None


def _acquired(lock_file: Any, timeout: float) -> Any:
    lock_file.acquire(timeout=timeout)
    return lock_file


def _lacks_hard_locks(error: BaseException) -> bool:
    """NFS without a lock daemon and some FUSE mounts answer so; older filelock says NotImplementedError."""
    return isinstance(error, NotImplementedError) or getattr(error, "errno", None) in _NO_HARD_LOCKS


def _busy(target: Path, lock_file: Path, timeout: float) -> MachineError:
    return MachineError(
        f"another process has held {target.name} for more than {timeout:g} s",
        f"wait and try again, delete {lock_file} if no hwcompat runs on any machine sharing it, or add --no-record",
    )


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one line and a hint."""
    try:
        yield
    except OSError as error:
        raise MachineError(f"cannot write {path}: {error.strerror or error}", _HINT) from error


# --- reports and their private sidecars -------------------------------------------------------------------------------


def report_path(report_id: str) -> Path:
    """Where the report lives. UsageError unless it is an id (16 hex digits): an id never reaches another folder."""
    if not _ID.fullmatch(report_id):
        raise UsageError(f"{report_id!r} is not a report id", "an id has 16 hexadecimal digits")
    return reports_dir() / f"{report_id}.json"


def save_report(report_id: str, text: str, private: Mapping[str, Any]) -> Path:
    """Store a report (JSON, redacted) and its `sidecar`, that one first: a report is never without."""
    path = report_path(report_id)
    write_atomic(_sidecar_path(path), json.dumps({"report": report_id, **private}, indent=1) + "\n", mode=0o600)
    write_atomic(path, text)
    return path


def sidecar(pci_bus_id: str | None, executable: str | None = None) -> Mapping[str, Any]:
    """What only this machine may know of a run: host, slot, interpreter, and the salted card id."""
    import platform

    host = platform.node()
    return {
        "host": host,
        "pci_bus_id": pci_bus_id,
        "executable": executable,
        "card_id": card_id(host, pci_bus_id) if pci_bus_id else None,
    }


def saved_reports() -> tuple[Path, ...]:
    """The stored reports, newest first (by time of writing, then name). No sidecar is among them."""
    dated: list[tuple[int, str, Path]] = []
    with suppress(OSError):  # no such folder: nothing was stored
        for path in reports_dir().iterdir():
            if path.suffix == ".json" and _ID.fullmatch(path.stem):
                with suppress(OSError):  # removed in this moment
                    dated.append((-path.stat().st_mtime_ns, path.name, path))
    return tuple(path for _, _, path in sorted(dated))


def read_sidecar(report_id: str) -> Mapping[str, Any]:
    """The `sidecar` of a stored report; empty where it is lost or unreadable."""
    try:
        found = json.loads(read_bytes(_sidecar_path(report_path(report_id))))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _sidecar_path(report: Path) -> Path:
    return report.with_name(f"{report.stem}.private.json")


def card_id(host: str, pci_bus_id: str) -> str:
    """SHA-256 (64 hex digits) of this home's salt, the host and the slot: the same card again, and nothing else."""
    import hashlib

    return hashlib.sha256("\0".join((_salt(), host, pci_bus_id)).encode("utf-8", "replace")).hexdigest()


def _salt() -> str:
    path = home() / "salt"
    with lock(path):
        with suppress(OSError, UnicodeDecodeError):
            if salt := path.read_text(encoding="ascii").strip():
                return salt
        salt = os.urandom(32).hex()
        write_atomic(path, salt + "\n", mode=0o600)
        return salt
