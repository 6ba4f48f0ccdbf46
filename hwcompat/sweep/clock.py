"""Starts `stepclock.py` in a build's environment and reads what it says."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from pathlib import Path

from hwcompat import child as children
from hwcompat.probes import catalogue

from .ledger import Step

CLOCK = Path(__file__).with_name("stepclock.py")
SECONDS = 300.0
"""Importing torch takes up to two minutes from a cold disk, settling the batch and timing half a minute."""


class ClockError(Exception):
    """No step could be timed; the text says why."""


def steps(python: str, device: str, batch: int | None, seconds: float = SECONDS) -> tuple[dict[str, Step], int]:
    """{"amp_fp16 channels_last": seconds a training step} on `device` with the torch of `python`, and the batch.

    batch: images a step; None: let this build settle it. ClockError where the step does not run, or not in `seconds`.
    """
    folder = Path(tempfile.mkdtemp(prefix="hwcompat-"))
    try:
        job = {"island": str(Path(catalogue.__file__).parent), "device": device, "batch": batch}
        text = json.dumps({**job, "parent": os.getpid(), "scratch": str(folder)})
        (folder / "job.json").write_text(text, encoding="utf-8")
        return _answer(_run(python, folder, seconds))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(python: str, folder: Path, seconds: float) -> Path:
    """The file that the clock wrote."""
    out = folder / "out.json"
    child = children.start([python, str(CLOCK), str(folder / "job.json"), str(out)], folder)
    try:
        end = time.monotonic() + seconds
        while child.process.poll() is None:
            if time.monotonic() > end:
                raise ClockError(f"no step time within {seconds:g} s")
            time.sleep(0.05)
        if child.process.returncode:
            raise ClockError(children.last_words(child.output) or children.ending(child.process.returncode))
        return out
    finally:
        children.kill(child)


def _answer(out: Path) -> tuple[dict[str, Step], int]:
    try:
        found = json.loads(out.read_text(encoding="ascii"))
        return {name: Step(**each) for name, each in found["steps"].items()}, int(found["batch"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClockError(f"the clock gave no answer: {error}") from error
