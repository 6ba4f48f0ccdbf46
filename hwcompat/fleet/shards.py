"""The fleet's file contract: one *shard* a GPU in an ordinary folder, written by any number of programs.

DIR/fleet.json                  what this run is: a `Run`. Written once; a second run with another id or other facts is
                                refused, so that nothing of two runs is ever mixed or overwritten
DIR/shards/<key>.json           the public report (`report.to_json`): names nobody
DIR/shards/<key>.private.json   the `Sidecar`: which node and slot this was, how the attempt ended; it never leaves the
                                fleet

`<key>` is `shard_key(run id, node, slot)`, 16 hex digits of a SHA-256. `slot` is whatever tells the GPUs of a node
apart and is known before anything was measured ("0", "cuda:3", a PCI bus id): the same GPU gets the same key on resume.
An attempt that failed before there was any GPU (a node that never answered) has the slot "".

A shard is *finished* when its sidecar says `measured` and names (by SHA-256) the very bytes of the report beside it.
The report is written first and the sidecar last, each atomically, so a kill at any moment leaves an unfinished shard,
never a false one; and a report that was cut or changed afterwards is noticed without reading it. A finished shard is
never replaced: writing it again, or writing a failure over it, leaves it alone. A failed attempt has a sidecar and no
report; `attempts` counts them.

The usual sequence of an engine, or of anything else that probes a fleet:

    run = open_run(folder, Run(id=..., hwcompat=..., suite=..., level=..., seed=...))  # refuses what does not fit
    with driving(folder):                # one driver at a time; programs that only add shards need no such lock
        done = finished(folder, run.id)  # keys to skip
        write_finished(folder, Sidecar(run.id, node, slot, "measured", seconds=..., pci_bus_id=...), text)
        write_failed(folder, Sidecar(run.id, node, slot, "timeout", detail="no answer for 600 s", seconds=600))

Reading never trusts: sizes are bounded, and what does not fit is a `DataError` to be counted.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from hwcompat import report as reports
from hwcompat import store
from hwcompat.errors import DataError, MachineError, UsageError

SCHEMA = 1
RUN_FILE = "fleet.json"
SHARDS = "shards"
PRIVATE = ".private.json"
MAX_SIDECAR_BYTES = 64 * 2**10
"""A sidecar holds a dozen short values; the longest detail is DETAIL characters of at most 6 bytes each in JSON."""
DETAIL = 4000

OUTCOMES = ("measured", "timeout", "crashed", "lost", "unreachable", "refused")
"""measured; timeout: no end within its time; crashed: the probe's process died; lost: the worker or the node died under
it; unreachable: the node never answered; refused: it answered that it cannot (no GPU, no torch, another version)."""

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Run:
    """What all shards of one folder have in common."""

    id: str  # letters, digits, ".", "_" and "-", at most 64
    hwcompat: str
    suite: str
    level: str
    seed: int = 0
    torch: str = ""  # the torch that was asked for, in the words of who asked; empty: whatever is there
    began: str = ""  # UTC, ISO 8601


@dataclass(frozen=True)
class Sidecar:
    """Where one shard was measured, or how the attempt ended. Private to the fleet."""

    run: str
    node: str
    slot: str  # "" if no GPU was reached
    outcome: str  # one of OUTCOMES
    detail: str = ""  # in words: why it was refused, the last lines of a crash
    seconds: float = 0.0
    pci_bus_id: str | None = None  # as the report's private half knew it
    attempts: int = 1  # filled in by the writers below
    sha256: str = ""  # of the report file's bytes; filled in by `write_finished`

    @property
    def key(self) -> str:
        return shard_key(self.run, self.node, self.slot)


class Shard(NamedTuple):
    """The files of one key, as they lie in the folder; nothing of them has been read."""

    key: str  # the file's name without its ending: for a bare report whatever its writer chose
    report: Path | None  # None: an attempt without a result
    sidecar: Path | None  # None: a bare report, as `hwcompat probe --report DIR/NAME.json` writes it


def shard_key(run: str, node: str, slot: str) -> str:
    """16 hexadecimal digits: the same for the same GPU of the same run, and nothing can be read out of it."""
    return hashlib.sha256("\0".join((run, node, slot)).encode("utf-8", "backslashreplace")).hexdigest()[:16]


# --- the run ----------------------------------------------------------------------------------------------------------


def open_run(folder: Path, wanted: Run) -> Run:
    """Begin `wanted` in `folder`, or join it if it is the run that was begun there; the run as it stands in the folder.

    UsageError for another run's folder, for the same id with other facts (version, level, seed, torch) and for an id of
    another form; DataError for a fleet.json that cannot be read; MachineError where nothing can be written.
    """
    if not _RUN_ID.fullmatch(wanted.id):
        raise UsageError(f"{wanted.id[:80]!r} is no run id", "use letters, digits, dots, dashes, at most 64")
    path = folder / RUN_FILE
    with store.lock(path):
        found = read_run(folder)
        if found is None:
            store.write_atomic(path, _text(wanted))
            return wanted
    _must_be_same(folder, found, wanted)
    return found


def read_run(folder: Path) -> Run | None:
    """The run of a folder, None if no run was begun there (bare reports). DataError if its file is unusable."""
    path = folder / RUN_FILE
    try:
        return _value(Run, _read_bounded(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        hint = "restore it, or merge the report files from a folder without it"
        raise DataError(f"{path} cannot be used: {_reason(error)}", hint) from None


@contextmanager
def driving(folder: Path) -> Iterator[None]:
    """The right to be the one driver of this folder, for as long as the context lasts; MachineError if another is."""
    with ExitStack() as stack:
        try:
            stack.enter_context(store.lock(folder / "driver", timeout=1.0))
        except MachineError as error:
            if "another process" not in error.message:
                raise
            way_out = error.hint.partition(", or add")[0]  # names the lock file, for one that a dead machine left
            raise MachineError(f"another fleet probe is at work on {folder}", way_out) from error
        yield


def _must_be_same(folder: Path, found: Run, wanted: Run) -> None:
    if found.id != wanted.id:
        hint = f"use another folder, or resume with run id {found.id}"
        raise UsageError(f"{folder} holds run {found.id}, not {wanted.id}", hint)
    for name in ("hwcompat", "suite", "level", "seed", "torch"):
        was, now = getattr(found, name), getattr(wanted, name)
        if was != now:
            what = f"run {found.id} in {folder} was begun with {name} {was!r}, not {now!r}"
            raise UsageError(what, f"go on with {name} {was!r}, or begin a new run in another folder")


# --- writing ----------------------------------------------------------------------------------------------------------


def write_finished(folder: Path, sidecar: Sidecar, text: str) -> Path:
    """Store the public report `text` (`report.to_json`, made on the node itself) and its sidecar; the report's path.

    An attempt that is finished already stays as it is. DataError if `text` is no valid report, UsageError if the
    sidecar does not say `measured`, MachineError where nothing can be written.
    """
    if sidecar.outcome != "measured":
        raise UsageError(f"a finished shard is measured, not {sidecar.outcome}", "use write_failed")
    reports.from_json(text)
    path = _report_path(folder, sidecar.key)
    before = _earlier(folder, sidecar.key)
    if _is_finished(path, before, sidecar.run):
        return path
    content = text.encode("utf-8")
    store.write_bytes_atomic(path, content)
    sha256 = hashlib.sha256(content).hexdigest()
    _write_sidecar(folder, dataclasses.replace(sidecar, sha256=sha256, attempts=_attempts(before)))
    return path


def write_failed(folder: Path, sidecar: Sidecar) -> Sidecar:
    """Note an attempt that gave no report; the sidecar that now stands, with its attempts counted.

    A finished shard stays finished. UsageError for an outcome that is none or `measured`.
    """
    if sidecar.outcome not in OUTCOMES[1:]:
        raise UsageError(f"{sidecar.outcome!r} is no way to fail", f"one of {', '.join(OUTCOMES[1:])}")
    before = _earlier(folder, sidecar.key)
    if before is not None and _is_finished(_report_path(folder, sidecar.key), before, sidecar.run):
        return before
    noted = dataclasses.replace(sidecar, detail=sidecar.detail[:DETAIL], attempts=_attempts(before), sha256="")
    _write_sidecar(folder, noted)
    return noted


def withdraw_failed(folder: Path, run: str, node: str, slot: str) -> None:
    """Take back the note of a failure that is over: of a node that did not answer and has since been worked on."""
    key = shard_key(run, node, slot)
    before = _earlier(folder, key)
    if before is not None and before.outcome != "measured":
        with suppress(OSError):
            _sidecar_path(folder, key).unlink()


def _attempts(before: Sidecar | None) -> int:
    return before.attempts + 1 if before else 1


def _earlier(folder: Path, key: str) -> Sidecar | None:
    with suppress(DataError, OSError):
        return read_sidecar(_sidecar_path(folder, key))
    return None


def _write_sidecar(folder: Path, sidecar: Sidecar) -> None:
    store.write_atomic(_sidecar_path(folder, sidecar.key), _text(sidecar))


def _report_path(folder: Path, key: str) -> Path:
    return folder / SHARDS / f"{key}.json"


def _sidecar_path(folder: Path, key: str) -> Path:
    return folder / SHARDS / f"{key}{PRIVATE}"


# --- reading ----------------------------------------------------------------------------------------------------------


def shards(folder: Path) -> Iterator[Shard]:
    """Every shard and bare report of DIR and DIR/shards, by folder and name; nothing is read but the two listings.

    DataError if the folder does not exist or cannot be listed. Hidden files, links to folders and fleet.json are none.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "name the folder that holds the reports")
    yield from _listed(folder)
    if (folder / SHARDS).is_dir():
        yield from _listed(folder / SHARDS)


def _listed(folder: Path) -> Iterator[Shard]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(one.name for one in entries if _is_ours(one.name) and one.is_file())
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror or error}", "check its permissions") from None
    found: dict[str, list[Path | None]] = {}
    for name in names:
        key, place = (name.removesuffix(PRIVATE), 1) if name.endswith(PRIVATE) else (name.removesuffix(".json"), 0)
        found.setdefault(key, [None, None])[place] = folder / name
    for key, (report, sidecar) in found.items():
        yield Shard(key, report, sidecar)


def _is_ours(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".") and name != RUN_FILE


def finished(folder: Path, run: str) -> frozenset[str]:
    """The keys of this run that need not be measured again. Unreadable, cut or foreign files are not finished."""
    if not (folder / SHARDS).is_dir():
        return frozenset()
    found = (one for one in _listed(folder / SHARDS) if one.report and one.sidecar)
    return frozenset(
        one.key for one in found if one.report and _is_finished(one.report, _earlier(folder, one.key), run)
    )


def failed(folder: Path, run: str) -> Iterator[Sidecar]:
    """The attempts of this run that ended without a report so far: what a resumed run may try again."""
    if (folder / SHARDS).is_dir():
        for one in _listed(folder / SHARDS):
            found = _earlier(folder, one.key)
            if found is not None and found.run == run and found.outcome != "measured":
                yield found


def _is_finished(report: Path, sidecar: Sidecar | None, run: str) -> bool:
    if sidecar is None or sidecar.outcome != "measured" or sidecar.run != run or not sidecar.sha256:
        return False
    with suppress(OSError):
        if report.stat().st_size <= reports.MAX_BYTES:
            return hashlib.sha256(store.read_bytes(report)).hexdigest() == sidecar.sha256
    return False


def read_sidecar(path: Path) -> Sidecar:
    """The sidecar in a file. DataError, naming the file, if it is not one; FileNotFoundError if there is none."""
    try:
        found = _value(Sidecar, _read_bounded(path))
        if found.outcome not in OUTCOMES:
            raise ValueError(f"{found.outcome[:40]!a} is no outcome")
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a sidecar: {_reason(error)}", "remove it and probe that GPU again") from None
    return found


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(getattr(error, "strerror", None) or error)


def _read_bounded(path: Path) -> Any:
    with path.open("rb") as file:
        content = file.read(MAX_SIDECAR_BYTES + 1)
    if len(content) > MAX_SIDECAR_BYTES:
        raise ValueError(f"larger than {MAX_SIDECAR_BYTES} bytes")
    return json.loads(content.decode("utf-8"))


def _text(value: Run | Sidecar) -> str:
    return json.dumps({"schema": SCHEMA, **dataclasses.asdict(value)}, indent=1, allow_nan=False) + "\n"


_CHECKS: Mapping[str, Any] = {
    "str": lambda value: isinstance(value, str) and len(value) <= DETAIL,
    "str | None": lambda value: value is None or (isinstance(value, str) and len(value) <= DETAIL),
    "int": lambda value: type(value) is int and abs(value) < 2**64,
    "float": lambda value: type(value) in (int, float) and 0 <= value < 1e12,  # nan and inf are not
}


def _value(kind: type[_T], document: Any) -> _T:
    """A `kind` from parsed JSON. ValueError names the first value that is missing or of another form; what a newer
    version wrote beside them is left out."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"it has no schema {SCHEMA}")
    found = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name not in document:
            if field.default is dataclasses.MISSING:
                raise ValueError(f"it has no {field.name!r}")
            continue
        if not _CHECKS[field.type](document[field.name]):  # type: ignore[index]
            raise ValueError(f"its {field.name!r} is not of type {field.type}")
        found[field.name] = document[field.name]
    return kind(**found)
