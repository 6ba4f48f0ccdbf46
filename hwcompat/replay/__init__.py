"""The second island: watches a training, and when a step goes bad re-runs it until the cause is known.

    watch = replay.watch(model, optimizer=optimizer)
    loss = watch.step(train_step, batch)      # forward, backward, optimizer step
    if watch.finding: ...

Standard library and torch only, Python 3.8 syntax, nothing of hwcompat: `__main__.load()` brings it by path into the
interpreter that trains. torch 1.13 or newer; older than 2.1 names the places of backward operations less exactly.
"""

from .capture import load_capture, replay_capture
from .capture_check import CaptureError
from .finding import CAUSES, CERTAINTIES, PHASES, Finding
from .watcher import Watch, watch

__all__ = [
    "CAUSES",
    "CERTAINTIES",
    "PHASES",
    "CaptureError",
    "Finding",
    "Watch",
    "load_capture",
    "replay_capture",
    "watch",
]
