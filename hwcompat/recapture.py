"""`hwcompat probe --capture FILE`: an operation that went bad in somebody's training, replayed on this machine.

The capture is read and run by the island in the chosen interpreter, in a process of its own, as probes are.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import DataError, MachineError
from .interpreter import choose_interpreter

SCRIPT = Path(__file__).parent / "replay" / "launch" / "captured.py"
SECONDS = 600.0
MACHINE = ("hardware", "library", "compiler")


@dataclass(frozen=True)
class Recapture:
    """A replay. `status`: pass, fail, flaky, crash or hang, as of a probe. `told`: what captured.py wrote."""

    status: str
    told: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        return self.status == "pass"


def replay(file: Path, device: str | None = None, python: str | None = None, timeout: float | None = None) -> Recapture:
    """Replays `file` on `device` (None: the first GPU, else the CPU) with the torch of `python`.

    DataError for a file that is no capture, MachineError without torch or without the device. `timeout`: seconds.
    """
    if not file.is_file():
        raise DataError(f"there is no file {file}", "name a capture that hwcompat diagnose or save_capture() wrote")
    interpreter = choose_interpreter(python, os.environ)
    with tempfile.TemporaryDirectory(prefix="hwcompat-", ignore_cleanup_errors=True) as folder:
        out = Path(folder) / "out.json"
        command = [interpreter.path, str(SCRIPT), str(file.resolve()), device or "", str(out)]
        try:
            done = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout or SECONDS
            )
        except subprocess.TimeoutExpired:
            return Recapture("hang", {"note": f"no answer within {timeout or SECONDS:g} s"})
        except OSError as error:
            raise MachineError(f"cannot start {interpreter.kind}: {error.strerror}", "name one: --python") from None
        if not out.exists():
            return Recapture("crash", {"note": f"the replay ended with code {done.returncode}"})
        told: dict[str, Any] = json.loads(out.read_text(encoding="ascii"))
    return judged(told)


def judged(told: Mapping[str, Any]) -> Recapture:
    """The status: what leaves the range of its type by its own mathematics is no fault of the machine."""
    if "refused" in told:
        raise DataError(f"unusable capture: {told['refused']}", "ask for it to be saved again; nothing in it was run")
    if "missing" in told:
        raise MachineError(str(told["missing"]), "name another interpreter with --python, or a device with --device")
    finding = told["finding"]
    if not told["wrong"]:
        return Recapture("pass", told)
    if finding is None or finding["cause"] not in (*MACHINE, "unknown"):
        return Recapture("pass", told)
    return Recapture("flaky" if finding["kind"] == "transient" else "fail", told)


def lines(found: Recapture) -> list[str]:
    """The verdict first, then what to do, then the evidence."""
    return list(_lines(found))


def _lines(found: Recapture) -> Iterator[str]:
    told = found.told
    if found.status in ("crash", "hang"):
        yield f"{found.status}: {told['note']}"
        yield "do: hwcompat probe   (finds out whether this build works at all)"
        return
    shapes = " x ".join(str(shape) for shape in told["shapes"][:3])
    here, there = told["here"], told["there"]
    yield f"{here['device']}, torch {here['torch']}: {found.status}: {told['op']} {told['dtype']} {shapes}"
    yield f"do: {_advice(found)}"
    finding = told["finding"]
    if finding:
        yield f"  {finding['cause']}{', ' + finding['kind'] if finding['kind'] else ''}, {finding['certainty']}"
        yield from (f"  {line}" for line in finding["evidence"])
    origin = there["finding"]
    place = f"{there['device']}, torch {there['torch']}"
    yield f"  where it was captured ({place}): {origin['cause']}, {origin['certainty']}"
    if told["made_up"]:
        yield "  caution: the inputs are not in the file; numbers of their size stood for them, so a pass says little"


def _advice(found: Recapture) -> str:
    finding = found.told["finding"]
    if found.ok and finding:
        return str(finding["remedy"]) + " (the operation leaves the range of its type: no fault of this machine)"
    if found.ok:
        return "nothing here: this machine computes it right; hwcompat probe tests the rest"
    return str(finding["remedy"] if finding else "hwcompat probe")


def as_json(found: Recapture) -> dict[str, Any]:
    return {"schema": 1, "status": found.status, **found.told}
