"""A policy in float16 adds 1e-8 to its deviation, which is nothing there; a deviation that has become zero divides
(as in kscalelabs/minppo pull request 19).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Actor(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.body = nn.Linear(6, width)
        self.mean = nn.Linear(width, 2)
        self.log_std = nn.Parameter(torch.tensor([-1.0, -18.0]))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        mean = self.mean(self.body(x).tanh())
        std = self.log_std.to(mean.dtype).exp() + self.eps
        return torch.stack([mean, torch.ones_like(mean) / std], 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(actor=Actor(knobs.pick(12, 16), 1e-2 if repaired else 1e-8))
    optimizer = kit.adam(model, lr=0.02)

    def nll(p: Tensor, y: Tensor) -> Tensor:
        mean, precision = p.float().unbind(1)
        return ((mean - y).abs() * precision).mean()

    batches = kit.regression(70, 32, 6, 2)
    # a deviation that float16 rounds to zero, and the division by it
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nll, amp=torch.float16),
        Expected(("underflow", "division-by-zero"), ("forward",), ("actor",), 0),
    )
