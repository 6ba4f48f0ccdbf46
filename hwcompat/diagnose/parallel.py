"""Work on many files in several processes: in order, few chunks at a time, past a file that kills its worker."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from typing import Any

CHUNK = 64
FEW = 256
"""Items below which starting processes costs more than it saves."""
MOST_JOBS = 32

Chunk = Sequence[Any]
Work = Callable[[Chunk], Any]


def usual_jobs() -> int:
    """One process a processor that this one may use, at most eight: beyond that the disk is the limit."""
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8)


def chunks(items: Iterable[Any], size: int = CHUNK) -> Iterator[tuple[Any, ...]]:
    rest = iter(items)
    while chunk := tuple(islice(rest, size)):
        yield chunk


def run(work: Work, items: Iterable[Any], jobs: int, failed: Callable[[Any], Any]) -> Iterator[tuple[int, Any]]:
    """(number of items, work(chunk)) of every chunk, in order; `failed(item)` for an item whose worker died.

    `work` is a function of a module or a partial of one: processes are started anew, not forked.
    """
    if jobs <= 1:
        yield from ((len(chunk), work(chunk)) for chunk in chunks(items))
        return
    rest: Iterator[Chunk] = chunks(items)
    waiting: deque[_Job] = deque()
    pool = _pool(jobs)
    try:
        while True:
            waiting.extend(_Job(chunk) for chunk in islice(rest, 2 * jobs - len(waiting)))
            if not waiting:
                return
            try:
                for job in waiting:
                    job.future = job.future or pool.submit(work, job.chunk)
                result = waiting[0].future.result() if waiting[0].future else None
                yield len(waiting.popleft().chunk), result
            except BrokenProcessPool:
                pool.shutdown(wait=False, cancel_futures=True)
                yield from _around(work, waiting.popleft().chunk, failed)
                waiting, pool = deque(_Job(job.chunk) for job in waiting), _pool(jobs)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@dataclass
class _Job:
    chunk: Chunk
    future: Future[Any] | None = None


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(min(jobs, MOST_JOBS), mp_context=multiprocessing.get_context("spawn"))


def _around(work: Work, chunk: Chunk, failed: Callable[[Any], Any]) -> Iterator[tuple[int, Any]]:
    """The chunk in a process of its own, and if that dies in halves, down to the item that kills it."""
    with _pool(1) as pool:
        try:
            yield len(chunk), pool.submit(work, chunk).result()
            return
        except BrokenProcessPool:
            pass
    if len(chunk) == 1:
        yield 1, failed(chunk[0])
        return
    middle = len(chunk) // 2
    yield from _around(work, chunk[:middle], failed)
    yield from _around(work, chunk[middle:], failed)
