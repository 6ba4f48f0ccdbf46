"""Chances so small that no float holds them are added and compared as logarithms throughout."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Parts(nn.Module):
    def __init__(self, parts: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.randn(parts, 12))
        self.weight = nn.Parameter(torch.zeros(parts))

    def forward(self, x: Tensor) -> Tensor:
        far = -8 * (x[:, None] - self.mean).square().sum(-1)
        return (self.weight.log_softmax(0) + far).logsumexp(1)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(density=Parts(knobs.pick(3, 4)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)

    def train_step(x: Tensor) -> Tensor:
        loss = -model(x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    centres = torch.randn(3, 12)
    batches = [centres[torch.randint(3, (32,))] + 0.25 * torch.randn(32, 12) for _ in range(60)]
    return Scenario(model, optimizer, batches, train_step)
