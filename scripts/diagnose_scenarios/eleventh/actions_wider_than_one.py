"""A policy squashes its actions and stretches them to the range of the machine; the correction of its probability takes
the logarithm of one minus the square of the stretched action, which is negative beyond one
(cpnota/autonomous-learning-library issue 139).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Policy(nn.Module):
    def __init__(self, width: int, reach: float) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, width), nn.ReLU())
        self.mean = nn.Linear(width, 1)
        self.log_std = nn.Parameter(torch.full((1,), -1.5))
        self.reach = reach
        nn.init.uniform_(self.mean.weight, -0.05, 0.05)
        nn.init.zeros_(self.mean.bias)

    def forward(self, state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        raw = self.mean(self.body(state)) + noise * self.log_std.exp()
        logp = -noise.square() / 2 - self.log_std
        return raw, logp, raw.tanh() * self.reach


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    reach, step = knobs.pick(1.5, 2.0), knobs.randint(4, 14)
    model = Policy(knobs.pick(12, 16), reach)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)

    def train_step(batch: Any) -> Tensor:
        state, noise, best = batch
        raw, logp, action = model(state, noise)
        inside = raw.tanh() if repaired else action
        logp = logp - torch.log(1 - inside.pow(2) + 1e-6)
        loss = (0.01 * logp + (action - best).square()).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(40):
        state, noise = torch.randn(32, 4), torch.randn(32, 1).clamp(-1.5, 1.5)
        if number == step:
            noise[knobs.randint(0, 31)] = knobs.pick(5.0, 6.0)
        batches.append((state, noise, torch.full((32, 1), 0.2)))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("unknown",), ("loss",), (LOSS,), step), learns=False
    )
