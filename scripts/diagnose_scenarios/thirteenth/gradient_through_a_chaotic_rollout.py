"""A rollout of the logistic map stays between 0 and 1, but its derivative doubles every step: 260 steps pass 1e38."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Rollout(nn.Module):
    def __init__(self, steps: int) -> None:
        super().__init__()
        self.rate, self.steps = nn.Parameter(torch.tensor(3.96)), steps

    def forward(self, x: Tensor) -> Tensor:
        total = x
        for _ in range(self.steps):
            x = self.rate.clamp(max=3.99) * x * (1 - x)
            total = total + x
        return total / self.steps


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    steps = 3 if repaired else knobs.pick(260, 300)
    model = kit.named(inp=nn.Linear(5, 1), squash=nn.Sigmoid(), rollout=Rollout(steps))
    optimizer = kit.sgd(model, lr=0.03)
    rates = torch.rand(40)
    batches = [(torch.randn(16, 5), 0.4 + 0.05 * rate * torch.ones(16, 1)) for rate in rates]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, y: kit.squares(p, y) + 0.01),
        Expected(("exploding-gradients",), ("backward",), ("rollout",)),
        learns=False,
    )
