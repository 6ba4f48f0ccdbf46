"""Kernel weights exp(-d^2) of a point far from every centre are all 0 in float16; divided by their sum: 0 / 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Kernel(nn.Module):
    def __init__(self, centres: Tensor, repaired: bool) -> None:
        super().__init__()
        self.centres, self.values = nn.Parameter(centres), nn.Linear(len(centres), 1)
        self.repaired = repaired

    def forward(self, x: Tensor) -> Tensor:
        squared = (x[:, None] - self.centres).square().sum(-1)
        if self.repaired:
            return self.values((-squared).softmax(1))
        weights = (-squared).exp()
        return self.values(weights / weights.sum(1, keepdim=True))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(10, 24)
    model = kit.named(kernel=Kernel(torch.randn(knobs.pick(10, 14), 2), repaired)).half()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    batches = []
    for _ in range(60):
        x = torch.randn(32, 2).clamp(-1.4, 1.4)
        batches.append((x.half(), 2 * x[:, :1] + 1))
    batches[step][0][knobs.randint(0, 31)] = torch.tensor([knobs.pick(6.5, 7.5), 6.0])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("underflow",), ("forward",), ("kernel",), step),
    )
