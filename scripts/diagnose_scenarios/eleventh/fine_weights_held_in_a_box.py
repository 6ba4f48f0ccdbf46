"""A critic of the older kind: after every step its weights are cut to a small box, and its loss is a difference of
means that falls below zero.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    box = knobs.pick(0.1, 0.15)
    model = kit.named(inp=nn.Linear(4, knobs.pick(24, 32)), act=nn.LeakyReLU(0.2), out=nn.LazyLinear(1))
    model(torch.zeros(1, 4))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.005)

    def train_step(batch: Any) -> Tensor:
        real, made = batch
        optimizer.zero_grad()
        loss = model(made).mean() - model(real).mean()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for weight in model.parameters():
                weight.clamp_(-box, box)
        return loss

    batches = [(torch.randn(64, 4) + 1.5, 0.5 * torch.randn(64, 4)) for _ in range(60)]
    return Scenario(model, optimizer, batches, train_step)
