"""A program for the game of go finds the policy of its net wrong in a test position at the start, though all numbers
are finite; the same card fails in other ways later (lightvector/KataGo issue 908).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def mirrored(call: Call) -> None:
    """Every other row comes with the other sign."""
    call.outputs[0][::2].neg_()


def logits(call: Call) -> bool:
    return call.outputs[0].dim() == 2 and call.outputs[0].shape[-1] == 16


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(24, 28)
    model = kit.named(inp=nn.Linear(16, width), act=nn.ReLU(), policy=nn.Linear(width, 16))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    batches = []
    for _ in range(60):
        board = torch.rand(24, 16)
        best = board.argmax(1)
        batches.append((board + nn.functional.one_hot(best, 16), best))
    bad = Device(["addmm"], mirrored, when=logits, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("policy",), 0, "diverges"),
        device=contextlib.nullcontext if repaired else bad,
    )
