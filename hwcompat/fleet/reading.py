"""Reads the shards of a folder: thousands of files, in several processes, never more than a few in memory.

Of each report only what judging needs is checked and kept (`card.lean`); a file that cannot be used is a problem with a
name, and the others are read on.
"""

from __future__ import annotations

import gc
import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from hwcompat import report as reports
from hwcompat import store
from hwcompat.errors import DataError, UsageError

from .card import Card, Place, cards_of, lean
from .shards import Shard, Sidecar, read_sidecar

CHUNK = 50
"""Files that one process reads at a time."""
WORTH_PROCESSES = 200
"""Files from which on starting processes (a quarter of a second each) pays."""
MOST_PROCESSES = 16
MAX_DIGESTS = 1000
"""Of one report; a full run has some 250. It bounds what hostile reports can make us keep."""
_AHEAD = 3  # chunks given to each process at once: what was read waits in bounded numbers


class Read(NamedTuple):
    """What one shard gave. `problem` says why a report file was not used; a failed attempt has none and no card."""

    key: str
    cards: tuple[Card, ...] = ()
    sidecar: Sidecar | None = None
    problem: str = ""


def read_all(found: Sequence[Shard], processes: int | None = None) -> Iterator[Read]:
    """Every shard read, in the order given. processes: default: one a processor, none for a few files."""
    count = processes or _usual_processes(len(found))
    chunks = (list(found[at : at + CHUNK]) for at in range(0, len(found), CHUNK))
    pool: dict[Any, Mapping[str, str]] = {}
    for read in _in_processes(chunks, count) if count > 1 else map(read_chunk, chunks):
        yield from (_shared(one, pool) for one in read)


def _usual_processes(files: int) -> int:
    return min(os.cpu_count() or 1, MOST_PROCESSES) if files >= WORTH_PROCESSES else 1


def _in_processes(chunks: Iterable[list[Shard]], count: int) -> Iterator[list[Read]]:
    """`read_chunk` of each chunk, in order. A pool that breaks (no memory, a limit on processes) costs time only."""
    import multiprocessing
    from concurrent.futures import Future, ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    # spawn, as on every platform: a fork would copy whatever threads and locks the caller has.
    context = multiprocessing.get_context("spawn")
    waiting: deque[tuple[list[Shard], Future[list[Read]] | None]] = deque()

    def submitted(chunk: list[Shard]) -> Future[list[Read]] | None:
        try:
            return pool.submit(read_chunk, chunk)
        except BrokenProcessPool:
            return None

    def first() -> list[Read]:
        chunk, future = waiting.popleft()
        try:
            return future.result() if future else read_chunk(chunk)
        except BrokenProcessPool:
            return read_chunk(chunk)

    with ProcessPoolExecutor(count, mp_context=context) as pool:
        try:
            for chunk in chunks:
                waiting.append((chunk, submitted(chunk)))
                if len(waiting) > _AHEAD * count:
                    yield first()
            while waiting:
                yield first()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def read_chunk(chunk: Sequence[Shard]) -> list[Read]:
    """The shards of one chunk, equal digests as one object: then they also cross to another process once."""
    collecting = gc.isenabled()
    gc.disable()  # parsed JSON holds no cycles, and looking for some among it takes a third of the time
    try:
        pool: dict[Any, Mapping[str, str]] = {}
        return [_shared(read_shard(one), pool) for one in chunk]
    finally:
        if collecting:
            gc.enable()


def _shared(read: Read, pool: dict[Any, Mapping[str, str]]) -> Read:
    same = (pool.setdefault(tuple(card.digests.items()), card.digests) for card in read.cards)
    return read._replace(cards=tuple(replace(card, digests=one) for card, one in zip(read.cards, same, strict=True)))


# --- one shard --------------------------------------------------------------------------------------------------------


def read_shard(shard: Shard) -> Read:
    """The cards of one shard, its sidecar, and what was wrong with it; never raises for what a file holds."""
    sidecar, problem = _sidecar(shard)
    if shard.report is None:
        gone = f"{shard.key}.json: its report is gone" if sidecar and sidecar.outcome == "measured" else ""
        return Read(shard.key, sidecar=sidecar, problem=problem or gone)
    try:
        cards = _cards(shard.report, sidecar, Place() if problem else _place(shard.report, sidecar))
    except (DataError, UsageError) as error:
        return Read(shard.key, sidecar=sidecar, problem=f"{shard.report.name}: {error.message}")
    return Read(shard.key, cards, sidecar, problem)


def _sidecar(shard: Shard) -> tuple[Sidecar | None, str]:
    try:
        return (read_sidecar(shard.sidecar) if shard.sidecar else None), ""
    except FileNotFoundError:
        return None, ""
    except DataError as error:
        return None, f"{shard.key}.private.json: {error.message.partition(': ')[2]}"


def _cards(path: Path, sidecar: Sidecar | None, place: Place) -> tuple[Card, ...]:
    content = _content(path)
    if sidecar and sidecar.sha256 and hashlib.sha256(content).hexdigest() != sidecar.sha256:
        raise DataError("it was cut or changed after it was written: its SHA-256 is not the sidecar's")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 at byte {error.start + 1}") from None
    report = reports.from_json(text, part=lean)
    if len(report.digests) > MAX_DIGESTS:
        raise DataError(f"it has more than {MAX_DIGESTS} digests")
    return cards_of(report, place)


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > reports.MAX_BYTES:
            raise DataError(f"larger than {reports.MAX_BYTES} bytes")
        return store.read_bytes(path)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}") from None


def _place(path: Path, sidecar: Sidecar | None) -> Place:
    """Where a report was made; of a bare file its name tells: "node-1.3.json" is slot 3 of node-1."""
    if sidecar:
        return Place(sidecar.node, sidecar.slot)
    node, dot, slot = path.stem.rpartition(".")
    return Place(node, slot) if dot and slot.isdigit() else Place(path.stem)
