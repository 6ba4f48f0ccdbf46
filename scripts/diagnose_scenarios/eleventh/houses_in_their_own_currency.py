"""A linear model of house values gets its columns as they are, some below ten and some in the thousands, and values of
hundreds of thousands; the loss grows by a factor in every epoch until it is infinite (blackportal-ai/delta issue 248).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = nn.Linear(8, 1)
    optimizer = kit.sgd(model, lr=knobs.pick(0.03, 0.05))
    unit = torch.tensor([4.0, 28.0, 5.0, 1.0, 1400.0, 3.0, 35.0, 120.0]) * knobs.pick(0.8, 1.2)
    teacher = torch.rand(8)

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        columns, value = batch
        error = model(columns) - value
        loss = error.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        plain = torch.randn(32, 8)
        value = (plain * teacher).sum(1, keepdim=True)
        if repaired:
            batches.append((plain, value))
        else:
            batches.append(((1 + 0.4 * plain) * unit, 200_000 + 100_000 * value))
    return Scenario(model, optimizer, batches, train_step, Expected(("input-scale",), (), (), None))
