"""Processes that train together decide together: one bad rank spoils all gradients, and all must stay in step."""

import sys
from dataclasses import replace
from typing import Any, List

import torch

from .rerun import distributed

PEER = "peer"


def shared_trip(trip, device):
    """The trip of this rank; PEER where only another one tripped; empty where none did. One small collective a step."""
    if not distributed():
        return trip
    flag = torch.tensor([1.0 if trip else 0.0], device=device)
    torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
    if float(flag) == 0.0:
        return ""
    return trip or PEER


def shared_finding(finding):
    """The same finding for every rank: one with a cause before one without, then the earliest step, the lowest rank."""
    if not distributed():
        return finding
    package = sys.modules["torch.distributed"]
    gathered: List[Any] = [None] * package.get_world_size()
    package.all_gather_object(gathered, finding)
    made = [(f.cause == "unknown", f.step, rank, f) for rank, f in enumerate(gathered) if f is not None]
    if not made:
        return None
    _unknown, _step, rank, chosen = min(made, key=lambda entry: entry[:3])
    return replace(chosen, evidence=tuple(chosen.evidence) + ("seen on rank %d" % rank,))
