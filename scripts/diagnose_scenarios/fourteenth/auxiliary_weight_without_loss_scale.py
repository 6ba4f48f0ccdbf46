"""A policy's loss carries a weight of 1e-8 under float16 autocast, and nobody scales it up: every gradient is
flushed.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


class Actor(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh())
        self.logits = nn.Linear(width, 3)

    def forward(self, state: Tensor) -> Tensor:
        return self.logits(self.body(state)).log_softmax(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model, weight = Actor(knobs.pick(16, 24)), knobs.pick(1e-8, 2e-8)
    optimizer = kit.adam(model, lr=0.01, eps=1e-16)
    scaler = kit.new_scaler(2.0**24) if repaired else None
    batches = [(x, y.argmax(1)) for x, y in kit.regression(60, 32, 6, 3)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(
            model, optimizer, lambda logs, act: weight * functional.nll_loss(logs.float(), act), scaler, torch.float16
        ),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
        scaler=scaler,
    )
