"""Runs a program under the watch: `hwcompat diagnose -- python train.py`. Nothing of the program is changed.

The program inherits stdin, stdout, stderr, folder and environment; its PYTHONPATH begins with one more folder, whose
sitecustomize.py puts up the watch in every Python that imports torch, and the island writes what it finds as files.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwcompat import store
from hwcompat.errors import UsageError

BOOT = Path(__file__).resolve().parents[1] / "replay" / "launch" / "boot"
FOLDER_VARIABLE = "HWCOMPAT_DIAGNOSE"


@dataclass(frozen=True)
class Launched:
    """What became of a program. `exit_code`: its own; 128 + n where signal n ended it.

    `findings`: the fields of each Finding and its `text`, and `rank` of the process. `processes`: for each process that
    imported torch: `steps` watched, `client` whose adapter was used, `off` and `unplayed`: why something was left out.
    """

    exit_code: int
    findings: tuple[Mapping[str, Any], ...]
    processes: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...] = ()


def run(
    command: Sequence[str], capture: Path | None = None, may_include: Callable[[int], bool] = lambda size: False
) -> Launched:
    """Runs `command` to its end. UsageError where there is no such program.

    `capture`: where to keep the operation of the first finding; may_include(bytes) says whether with its inputs.
    """
    program = shutil.which(command[0]) or command[0]
    with tempfile.TemporaryDirectory(prefix="hwcompat-", ignore_cleanup_errors=True) as folder:
        try:
            process = subprocess.Popen([program, *command[1:]], env=environment(os.environ, folder))
        except OSError as error:
            raise UsageError(
                f"cannot start {command[0]}: {error.strerror}", "hwcompat diagnose -- python ..."
            ) from None
        code = _wait(process)
        findings, processes = _read(Path(folder))
        notes = _kept(Path(folder), capture, may_include) if capture is not None else ()
        return Launched(code if code >= 0 else 128 - code, findings, processes, notes)


def environment(variables: Mapping[str, str], folder: str) -> dict[str, str]:
    """The program's environment: everything as it is, and the way to our sitecustomize."""
    boot, before = str(BOOT), variables.get("PYTHONPATH")
    return {**variables, "PYTHONPATH": f"{boot}{os.pathsep}{before}" if before else boot, FOLDER_VARIABLE: folder}


def _wait(process: subprocess.Popen[bytes]) -> int:
    """The program gets Ctrl-C from the terminal too, and decides itself when to end."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def _read(folder: Path) -> tuple[tuple[Mapping[str, Any], ...], tuple[Mapping[str, Any], ...]]:
    findings = sorted(_parsed(folder, "*.finding"), key=lambda found: (found.get("step", 0), str(found.get("rank"))))
    ended = {path.stem: told for path, told in _named(folder, "*.end")}
    processes = [{**told, **ended.get(path.stem, {"steps": None})} for path, told in _named(folder, "*.start")]
    return tuple(findings), tuple(processes)


def _kept(folder: Path, target: Path, may_include: Callable[[int], bool]) -> tuple[str, ...]:
    """Copies the first capture to where the user wants it, with the inputs only if he says so."""
    bare = next(iter(sorted(folder.glob("*.capture"))), None)
    if bare is None:
        return ("no capture: no finding goes back to one operation",)
    full = bare.with_suffix(".inputs")
    with_inputs = full.exists() and may_include(full.stat().st_size)
    store.write_bytes_atomic(target, (full if with_inputs else bare).read_bytes())
    what = "with" if with_inputs else "without"
    return (f"wrote {target} ({what} the inputs); on another card: hwcompat probe --capture {target.name}",)


def _parsed(folder: Path, pattern: str) -> Iterator[dict[str, Any]]:
    for _path, told in _named(folder, pattern):
        yield told


def _named(folder: Path, pattern: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(folder.glob(pattern)):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:  # the process was killed while it wrote
            continue
        if isinstance(told, dict):
            yield path, told


CHECKED = "loss, gradients, weights and scaler after every step"


def lines(launched: Launched) -> list[str]:
    """What to tell at the end: the findings were printed when they were made, so only the first is named again."""
    if launched.findings:
        first = str(launched.findings[0].get("text", "")).splitlines()[:1]
        count = len(launched.findings)
        return [f"found {count} thing{'s' * (count != 1)}, first: {''.join(first)}"]
    if not launched.processes:
        return [
            "nothing was watched: no Python that heeds PYTHONPATH imported torch in this program",
            "next: start the interpreter itself, without -I or -E: hwcompat diagnose -- python train.py",
        ]
    return [line for process in launched.processes for line in _account(process)]


def _account(process: Mapping[str, Any]) -> Iterator[str]:
    steps, client, gap = process.get("steps"), process.get("client"), process.get("unplayed")
    if client:
        yield f"no bad step; watched by the adapter for {client}; checked: {CHECKED}"
    elif steps:
        yield f"no bad step in {steps} steps; checked: {CHECKED}"
    elif gap:
        yield f"not watched: {gap}"
    else:
        yield "no training step was seen" + (f": {process['off']}" if process.get("off") else "")
    if steps and gap:
        yield f"not checked: where a bad value would come from, since the last step cannot be run again: {gap}"
    yield "not checked: validation, data on disk, silent wrong results (next: hwcompat probe)"


def as_json(launched: Launched, command: Sequence[str]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "schema": 1,
        "program": Path(command[0]).name,
        "exit_code": launched.exit_code,
        "findings": list(launched.findings),
        "processes": list(launched.processes),
    }
