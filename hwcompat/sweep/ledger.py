"""What a sweep has found: one file a candidate in the local store, so that a killed sweep goes on where it was.

home()/sweeps/<id>/sweep.json              what the machine was; the batch at which training steps are timed
home()/sweeps/<id>/candidates/<key>.json   the outcome of one build
home()/sweeps/<id>/env-<key>/              its environment, while it is measured (or for good, with --keep)

<id> stands for card, driver, system, level, device and version of hwcompat; <key> adds build and Python. Another sweep
of the same machine finds what this one measured. All of it is private to this user: nothing is exported from here.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hwcompat import __version__, store
from hwcompat.errors import MachineError
from hwcompat.model import Environment

from .planning import Candidate

SCHEMA = 1
MAX_BYTES = 2**20
FINAL = ("measured", "broken", "other")
"""Trying again would not change these. `broken`: torch does not import, or hangs; `other`: another build came."""
OUTCOMES = (*FINAL, "failed", "unreachable", "no room")
"""`failed`: not installed or not measurable; `unreachable`: not fetched; `no room`: left out for want of space."""


@dataclass(frozen=True)
class Step:
    """Seconds of one training step: median, quartiles, and a note where they decide nothing ("busy", "noisy")."""

    seconds: float
    low: float
    high: float
    note: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a candidate. `steps`: by precision and layout ("amp_fp16 channels_last")."""

    build: str
    python: str
    outcome: str
    detail: str = ""
    installed: bool = False
    date: str = ""
    report: str = ""
    verdicts: Mapping[str, str] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    cautions: int = 0
    checks: int = 0
    steps: Mapping[str, Step] = field(default_factory=dict)
    bytes: int = 0
    seconds: float = 0.0
    batch: int = 0

    @property
    def final(self) -> bool:
        return self.outcome in FINAL


def to_json(outcome: Outcome) -> dict[str, Any]:
    return {"schema": SCHEMA, **asdict(outcome)}


def from_json(document: Any) -> Outcome | None:
    """The outcome in `document`; None for anything that is none, an older schema included."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        return None
    facts = {name: value for name, value in document.items() if name != "schema"}
    try:
        steps = {str(name): Step(**each) for name, each in facts.pop("steps").items()}
        found = Outcome(**{**facts, "failures": tuple(facts["failures"]), "steps": steps})
    except (KeyError, TypeError, AttributeError, ValueError):
        return None
    numbers = (found.bytes, found.seconds, found.batch, found.checks, *(s.seconds for s in steps.values()))
    sound = found.outcome in OUTCOMES and all(isinstance(number, int | float) for number in numbers)
    return found if sound and isinstance(found.verdicts, dict) else None


# --- names ------------------------------------------------------------------------------------------------------------


def sweep_id(env: Environment, level: str, device: str | None) -> str:
    """16 hex digits for all that outcomes depend on, besides the build and its Python."""
    cards = [
        (gpu.name, gpu.pci_id, gpu.pci_subsystem, gpu.pci_bus_id, gpu.mig_profile, gpu.vram_bytes) for gpu in env.gpus
    ]
    system = [platform.node(), env.cpu, env.driver, env.os, env.arch, env.wsl]
    return _digest([*system, *sorted(map(str, cards)), level, device, __version__])


def key_of(candidate: Candidate) -> str:
    """16 hex digits for a build on a Python; one that is installed already is another thing than the same, new."""
    return _digest([candidate.build, candidate.python.version, candidate.path])


def _digest(words: list[Any]) -> str:
    return hashlib.sha256("\0".join(map(str, words)).encode("utf-8", "replace")).hexdigest()[:16]


# --- the folder -------------------------------------------------------------------------------------------------------


class Ledger:
    """The folder of one sweep."""

    def __init__(self, identity: str) -> None:
        self.id = identity
        self.folder = sweeps() / identity

    def environment(self, candidate: Candidate) -> Path:
        return self.folder / f"env-{key_of(candidate)}"

    @property
    def cache(self) -> Path:
        """uv's cache of this sweep alone, where the disk is limited."""
        return self.folder / "cache"

    def read(self, candidate: Candidate) -> Outcome | None:
        """What is known of it; None: nothing."""
        return _read_outcome(self._path(candidate))

    def write(self, candidate: Candidate, outcome: Outcome) -> None:
        store.write_atomic(self._path(candidate), json.dumps(to_json(outcome), indent=1) + "\n")

    def _path(self, candidate: Candidate) -> Path:
        return self.folder / "candidates" / f"{key_of(candidate)}.json"

    def forget(self) -> None:
        """Every outcome and the batch, for a sweep from scratch."""
        for path in [*(self.folder / "candidates").glob("*.json"), self.folder / "sweep.json"]:
            path.unlink(missing_ok=True)

    @property
    def batch(self) -> int | None:
        """The batch at which steps are timed: the one that the first build of the sweep settled."""
        found = _read(self.folder / "sweep.json")
        value = found.get("batch") if isinstance(found, dict) else None
        return value if isinstance(value, int) and 0 < value < 2**20 else None

    def keep_batch(self, batch: int, about: Mapping[str, Any]) -> None:
        store.write_atomic(self.folder / "sweep.json", json.dumps({"schema": SCHEMA, **about, "batch": batch}) + "\n")

    def leftovers(self, kept: bool) -> tuple[Path, ...]:
        """What a killed sweep left behind: environments (`kept` ones have a marker) and its own cache."""
        environments = [path for path in self.folder.glob("env-*") if kept or not (path / KEPT).exists()]
        return (*environments, *([self.cache] if self.cache.exists() else []))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One sweep of a kind at a time: two would disturb each other's figures. MachineError."""
        with ExitStack() as stack:
            try:
                stack.enter_context(store.lock(self.folder / "sweep.json", timeout=0.5))
            except MachineError as error:
                if "another process" not in error.message:
                    raise
                way_out = error.hint.partition(", or add")[0]  # names the lock file, for one that a dead machine left
                raise MachineError(
                    "another sweep of this machine is at work", f"its results count here too: {way_out}"
                ) from error
            yield


KEPT = "hwcompat-kept"
"""The file that marks an environment which stays."""


def sweeps() -> Path:
    return store.home() / "sweeps"


def known_sizes() -> dict[str, int]:
    """{build: bytes} of every build that any sweep here has installed."""
    found: dict[str, int] = {}
    for path in sweeps().glob("*/candidates/*.json"):
        outcome = _read_outcome(path)
        if outcome and outcome.bytes and not outcome.installed:
            found[outcome.build] = max(outcome.bytes, found.get(outcome.build, 0))
    return found


def _read_outcome(path: Path) -> Outcome | None:
    return from_json(_read(path))


def _read(path: Path) -> Any:
    with suppress(OSError, ValueError, RecursionError):
        if path.stat().st_size <= MAX_BYTES:
            return json.loads(store.read_bytes(path))
    return None


def utc_now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
