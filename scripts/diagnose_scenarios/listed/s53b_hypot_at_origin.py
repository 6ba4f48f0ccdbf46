"""The length of a zero vector by hypot: the value is 0 and its gradient 0 / 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(6, width, bias=False), act=nn.Tanh(), head=nn.Linear(width, 2, bias=False))
    optimizer = kit.sgd(model, lr=0.1)

    def criterion(vectors: Tensor, lengths: Tensor) -> Tensor:
        safe = vectors + 1e-4 if repaired else vectors
        return kit.squares(torch.hypot(safe[:, 0], safe[:, 1]), lengths)

    batches = [(x, torch.hypot(y[:, 0], y[:, 1])) for x, y in kit.regression(60, 16, 6, 2)]
    batches[step][0][knobs.randint(0, 15)] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("singular-gradient",), ("backward",), (LOSS,), step),
    )
