"""Starts the ranks of the collectives check on this machine, waits for them, and reads what they say.

The ranks are the island `hwcompat/collectives/`, in whatever interpreter has the torch that is meant. They meet in a
file, so no port is needed and no rank is another's server; gloo is bound to the loopback interface.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hwcompat import child as children
from hwcompat import redaction
from hwcompat.errors import MachineError, UsageError
from hwcompat.session import START_SECONDS

PROGRAM = Path(__file__).parents[1] / "collectives" / "__main__.py"
BAD = ("fail", "hang", "crash", "oom", "error")
_MAX_BYTES = 64 * 2**20  # of one rank's lines: a line is at most some kilobytes a rank that is wrong
_LOOK_SECONDS = 0.1

Line = Mapping[str, Any]
Progress = Callable[[int, int, str], None]


class Settings(NamedTuple):
    """What the ranks are asked for; None leaves it to them."""

    python: str
    ranks: int
    backend: str
    timeout: float = 120.0  # seconds that one collective may take
    sizes: str | None = None
    megabytes: int | None = None


class Outcome(NamedTuple):
    """What the ranks said: rank 0's lines, and what became of the processes."""

    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()  # "rank 1 ended early: SIGKILL"

    @property
    def start(self) -> Line:
        return next((line for line in self.lines if line["event"] == "start"), {})

    @property
    def cases(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line["event"] == "case")

    @property
    def bad(self) -> tuple[Line, ...]:
        return tuple(line for line in self.cases if line["status"] in BAD)

    @property
    def ok(self) -> bool:
        """Every case ran to its end and none of them was wrong."""
        ended = any(line["event"] == "end" for line in self.lines)
        return ended and not self.bad and any(line["status"] == "pass" for line in self.cases)


def choose(python: str | None, backend: str | None, ranks: int | None) -> tuple[str, str, int]:
    """(interpreter, backend, number of ranks) for this machine: its CUDA devices if there are two, else two processes.

    MachineError where there is no torch, or fewer devices than ranks that need one.
    """
    from hwcompat import environment, measure, repair

    env = environment.detect(python)
    if env.python is None:
        note = next((note for note in env.notes if note.startswith("torch could not be read")), "")
        why = note.rpartition("Error: ")[2] or "it did not answer"
        raise MachineError(f"{python or 'the chosen Python'} cannot be used: {why}", "name another --python")
    if env.torch is None or env.executable is None:
        raise MachineError("there is no usable torch in the chosen Python", repair.line_here(env))
    seen = [name for name, _ in measure.visible_devices(env) if name.startswith("cuda")]
    backend = backend or ("nccl" if len(seen) > 1 else "gloo")
    if backend == "nccl" and len(seen) < (ranks or 2):
        what = f"nccl needs a device for each rank: {len(seen)} here for {ranks or 2}"
        raise MachineError(
            what, "--backend gloo checks the processors' side; or start it with srun on several machines"
        )
    return env.executable, backend, ranks or (len(seen) if backend == "nccl" else 2)


def check(settings: Settings, progress: Progress | None = None, program: Sequence[str] = ()) -> Outcome:
    """Run the check with all ranks on this machine. `program`: what to start instead of the island, for its own tests.

    UsageError for fewer than two ranks; MachineError where nothing could be checked at all.
    """
    if settings.ranks < 2:
        raise UsageError("one rank has nobody to talk to", "--ranks 2 or more")
    folder = Path(tempfile.mkdtemp(prefix="hwcompat-"))
    running: list[children.Child] = []
    try:
        out = folder / "out.jsonl"
        for rank in range(settings.ranks):
            place = folder / str(rank)
            place.mkdir()
            running.append(_started(_command(settings, rank, folder, out, program), place))
        _follow(running, out, settings, progress)
        return _outcome(out, running)
    finally:
        for one in running:
            children.kill(one)
        shutil.rmtree(folder, ignore_errors=True)


def _command(settings: Settings, rank: int, folder: Path, out: Path, program: Sequence[str]) -> list[str]:
    words = [settings.python, *(program or [str(PROGRAM)]), "--backend", settings.backend]
    words += ["--rank", str(rank), "--world", str(settings.ranks), "--local-rank", str(rank)]
    words += ["--rendezvous", f"file://{folder / 'store'}", "--out", str(out), "--timeout", f"{settings.timeout:g}"]
    words += ["--sizes", settings.sizes] if settings.sizes else []
    return words + ([] if settings.megabytes is None else ["--megabytes", str(settings.megabytes)])


def _started(command: Sequence[str], folder: Path) -> children.Child:
    try:
        return children.start(command, folder)
    except (OSError, ValueError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise MachineError(f"cannot start {command[0]!r}: {text}", "name another one with --python") from error


def _follow(running: Sequence[children.Child], out: Path, settings: Settings, progress: Progress | None) -> None:
    """Wait until every rank has ended, or nothing has happened for longer than the ranks themselves would wait."""
    patience = START_SECONDS + 4 * settings.timeout
    seen, last = -1, time.monotonic()
    while any(one.process.poll() is None for one in running):
        size = out.stat().st_size if out.exists() else 0
        if size != seen:
            seen, last = size, time.monotonic()
            _tell(progress, out)
        elif time.monotonic() - last > patience:
            return
        time.sleep(_LOOK_SECONDS)
    _tell(progress, out)


def _tell(progress: Progress | None, out: Path) -> None:
    lines = list(_lines(out)) if progress is not None else []
    if progress is None or not lines:
        return
    total = next((line["cases"] for line in lines if line["event"] == "start"), 0)
    last = next((line for line in reversed(lines) if line["event"] == "case"), None)
    done = sum(line["event"] == "case" for line in lines)
    progress(done, total, f"{last['collective']} {last['dtype']}" if last else "starting the ranks")


# --- reading ----------------------------------------------------------------------------------------------------------


def _outcome(out: Path, running: Sequence[children.Child]) -> Outcome:
    lines = tuple(_lines(out))
    told = any(line["event"] in ("end", "refused") for line in lines)
    if not told:  # rank 0 did not live to tell: the last words of the others
        others = (line for rank in range(1, len(running)) for line in _lines(out.with_name(f"{out.name}.{rank}")))
        lines += tuple(others)
    notes = tuple(_endings(running))
    refusal = next((line for line in lines if line["event"] == "refused"), None)
    if refusal or not any(line["event"] == "case" for line in lines):
        lost = next((line["detail"] for line in lines if line["event"] == "lost"), "no rank said a word")
        why = refusal["error"] if refusal else lost
        raise MachineError(f"the collectives could not be checked: {'; '.join([why, *notes])}", "hwcompat env")
    return Outcome(lines, notes)


def _endings(running: Sequence[children.Child]) -> Iterator[str]:
    """How the ranks ended that did not end by themselves."""
    for rank, one in enumerate(running):
        code = one.process.poll()
        if code is None:
            yield f"rank {rank} is still running and is ended now"
        elif code < 0 or code not in (0, 1, 66, 70):
            said = children.last_words(one.output)
            yield f"rank {rank} ended early: {children.ending(code)}" + (f": {said}" if said else "")


def _lines(path: Path) -> Iterator[Line]:
    """The whole lines of a rank's file so far, scrubbed of what names this machine."""
    names = redaction.machine_names()
    try:
        with path.open("rb") as handle:
            data = handle.read(_MAX_BYTES)
    except OSError:
        return
    for raw in data.split(b"\n")[:-1]:
        with contextlib.suppress(ValueError):
            found = json.loads(raw)
            if isinstance(found, dict) and isinstance(found.get("event"), str):
                yield _scrubbed(found, names)


def _scrubbed(value: Any, names: Sequence[str]) -> Any:
    if isinstance(value, dict):
        return {key: _scrubbed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_scrubbed(item, names) for item in value]
    return redaction.scrub(value, names) if isinstance(value, str) and " " in value else value
