"""What runs on a node of the fleet: one GPU's probe, and the spool that keeps its result until it has been delivered.

    serve(ask, work)    what an engine starts on the node: yields which slot this is, then the answer

`ask` and every message are plain mappings, since they travel between processes. An *ask* has

    run, node       the run's id and this node's name: with the slot they make the shard's key
    began           when that run began: another run of the same id, in another folder, is given nothing of this one's
    level, seed, python, minutes   as api.probe takes them
    processor       True: the node's processor instead of a GPU
    share           how many of these tasks a node runs at once: each takes its share of the processor's threads
    done            slots of this node that need no measuring
    hold            seconds for which a task keeps such a GPU, so that the next task on this node is given another one;
                    the driver ends it as soon as that has happened

A *message* is {"slot": ...} first; then {"taken": True} where that slot is done already, else the *answer*: outcome
(measured or refused), report (the public report, compressed), detail, seconds, pci_bus_id, spooled.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hwcompat import __version__, api, store
from hwcompat import report as reports
from hwcompat.errors import DataError, HwcompatError
from hwcompat.fleet.shards import shard_key

Ask = Mapping[str, Any]
Message = dict[str, Any]
Work = Callable[[Ask], Message]

PROCESSOR = "cpu"  # the slot of a node's processor
_KEPT_DAYS = 30.0  # a spooled result that nobody asked for again


def serve(ask: Ask, work: Work, slot: str) -> Iterator[Message]:
    """The messages of one task on `slot`: see the module's docstring. A result of this run found in the spool of this
    node is delivered instead of measuring again."""
    yield {"slot": slot}
    if slot in ask["done"]:
        yield {"taken": True}
        time.sleep(ask["hold"])
        return
    found = spooled(ask, slot)
    if found is None:
        found = {**work(ask), "spooled": False}
        if found["outcome"] == "measured":
            with contextlib.suppress(HwcompatError):  # no room or no right to write: the result itself is what matters
                keep(ask, slot, found)
    yield found


def measure(ask: Ask) -> Message:
    """Probe this task's GPU (or the processor) in a fresh process; what cannot be probed is `refused`, never the CPU
    instead of a GPU."""
    _share_threads(int(ask["share"]))
    begun = time.monotonic()
    device = "cpu" if ask["processor"] else "all"  # all that this task was given: one, or none, which is refused
    try:
        if not ask["processor"]:
            _require_one_visible()
        found = api.probe(
            device=device, level=ask["level"], seed=ask["seed"], python=ask["python"], minutes=ask["minutes"]
        )
    except HwcompatError as error:
        return refusal(f"{error.message}. {error.hint}", time.monotonic() - begun)
    seconds = time.monotonic() - begun
    if found.others:
        return refusal(f"this task was given {1 + len(found.others)} GPUs and is for one", seconds)
    if not found.measured:
        return refusal("no probe came to a result", seconds)
    slot = found.gpu.pci_bus_id if found.gpu else None
    return answer(reports.to_json(found), seconds, slot)


def answer(text: str, seconds: float, pci_bus_id: str | None) -> Message:
    """The message of a finished measurement; `text` is the public report."""
    return {
        "outcome": "measured", "report": zlib.compress(text.encode("utf-8")), "detail": "", "seconds": seconds,
        "pci_bus_id": pci_bus_id,
    }  # fmt: skip


def refusal(detail: str, seconds: float = 0.0) -> Message:
    """The message of a node that answers that it cannot."""
    return {"outcome": "refused", "report": b"", "detail": detail, "seconds": seconds, "pci_bus_id": None}


def report_text(message: Mapping[str, Any]) -> str:
    """The public report of an answer. DataError if it is none, or larger than a report may be."""
    try:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(message["report"], reports.MAX_BYTES)
        if not unpacker.eof:
            raise ValueError(f"larger than {reports.MAX_BYTES} bytes, or cut")
        return content.decode("utf-8")
    except (ValueError, TypeError, KeyError, zlib.error) as error:
        raise DataError(f"a node's answer holds no report: {error}", "probe that GPU again") from None


def _share_threads(share: int) -> None:
    """Engines set one thread (Ray: OMP_NUM_THREADS=1 where a task reserves no processor), which would falsify what is
    measured of a processor and slow the checks down that run on it."""
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // max(1, share)))


def _require_one_visible() -> None:
    """Ray can be told to leave CUDA_VISIBLE_DEVICES alone; then every task would see, and probe, all GPUs at once."""
    from hwcompat.errors import MachineError

    variables = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ONEAPI_DEVICE_SELECTOR")
    told = [name for name in os.environ if name.startswith("RAY_EXPERIMENTAL_NOSET_") and os.environ[name] != "0"]
    if told and not any(os.environ.get(name) for name in variables):
        raise MachineError(f"{told[0]} is set on this node: a task cannot know its GPU", "start Ray there without it")


# --- the spool --------------------------------------------------------------------------------------------------------


def _path(ask: Ask, slot: str) -> Path:
    return store.home() / "fleet" / f"{shard_key(ask['run'] + ask['began'], ask['node'], slot)}.json"


def _facts(ask: Ask, slot: str) -> dict[str, Any]:
    """What a spooled result must have in common with what is asked for now."""
    names = ("run", "began", "node", "level", "seed", "python", "minutes", "processor")
    return {"hwcompat": __version__, "slot": slot, **{name: ask[name] for name in names}}


def keep(ask: Ask, slot: str, message: Message) -> None:
    """Store a finished result in this node's own data folder; old ones that nobody fetched are removed."""
    path = _path(ask, slot)
    document = {
        "facts": _facts(ask, slot), "report": report_text(message), "seconds": message["seconds"],
        "pci_bus_id": message["pci_bus_id"],
    }  # fmt: skip
    store.write_atomic(path, json.dumps(document), mode=0o600)
    with contextlib.suppress(OSError):
        for other in path.parent.glob("*.json"):
            if time.time() - other.stat().st_mtime > _KEPT_DAYS * 86400:
                other.unlink()


def spooled(ask: Ask, slot: str) -> Message | None:
    """The result of this very run and slot that this node has kept, None if there is none or it is damaged."""
    path = _path(ask, slot)
    try:
        if path.stat().st_size > 2 * reports.MAX_BYTES:
            return None
        document = json.loads(store.read_bytes(path))
        if document["facts"] != _facts(ask, slot):
            return None
        reports.from_json(document["report"])
        found = answer(document["report"], float(document["seconds"]), document["pci_bus_id"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, DataError):
        return None
    return {**found, "spooled": True}
