"""Most targets are missing and marked as such; the loss counts those that are there, at least one."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(7, 24), act=nn.Tanh(), out=nn.Linear(24, 6))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    there = knobs.pick(0.05, 0.08)

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        x, y = batch
        known = ~y.isnan()
        error = (model(x) - torch.where(known, y, 0.0)).square() * known
        loss = error.sum() / known.sum().clamp(min=1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for x, y in kit.regression(90, 64, 7, 6):
        batches.append((x, torch.where(torch.rand(64, 6) < there, y, float("nan"))))
    return Scenario(model, optimizer, batches, train_step)
