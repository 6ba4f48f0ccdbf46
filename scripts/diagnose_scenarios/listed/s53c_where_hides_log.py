"""torch.where picks the safe branch, but the gradient of the other one, log at 0, is infinity times 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(6, width, bias=False), act=nn.ReLU(), head=nn.Linear(width, 1, bias=False))
    with torch.no_grad():
        model.head.weight.abs_()
    optimizer = kit.sgd(model, lr=0.05)

    def criterion(counts: Tensor, y: Tensor) -> Tensor:
        inside = torch.where(counts > 0, counts, 1.0) if repaired else counts
        logs = torch.where(counts > 0, inside.log(), torch.zeros_like(counts))
        return (0.1 * (logs - y).square() + (counts - y.exp()).square()).mean()

    batches = [(x, x.abs().mean(1, keepdim=True).log()) for x, _ in kit.regression(60, 16, 6)]
    x, y = (part.clone() for part in batches[step])
    x[knobs.randint(0, 15)] = 0
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, y)),
        kit.train(model, optimizer, criterion),
        Expected(("singular-gradient",), ("backward",), (LOSS,), step),
    )
