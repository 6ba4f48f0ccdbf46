"""Cells are brought to their places by scaling the exponential of their costs; at a low temperature whole rows of it
are zero, and the scaling divides by them (rajewsky-lab/novosparc issue 50).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Transport(nn.Module):
    def __init__(self, temperature: float, logs: bool) -> None:
        super().__init__()
        self.temperature, self.logs = temperature, logs

    def forward(self, cost: Tensor) -> Tensor:
        if self.logs:
            plan = -cost / self.temperature
            for _ in range(10):
                plan = plan - plan.logsumexp(1, keepdim=True)
                plan = plan - plan.logsumexp(0, keepdim=True)
            return plan.exp() / len(cost)
        kernel = torch.exp(-cost / self.temperature)
        v = torch.ones(cost.shape[1])
        for _ in range(10):
            u = 1 / (kernel @ v)
            v = 1 / (kernel.t() @ u)
        return u[:, None] * kernel * v / len(cost)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, cells = knobs.randint(10, 18), knobs.pick(10, 12)
    place = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 2))
    model = nn.ModuleDict({"place": place, "transport": Transport(0.05, repaired)})
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        genes, places = batch
        optimizer.zero_grad()
        cost = torch.cdist(model["place"](genes), places).square()
        loss = (model["transport"](cost) * cost).sum()
        loss.backward()
        optimizer.step()
        return loss

    mixing = torch.randn(2, 5)
    batches = []
    for number in range(60):
        places = torch.rand(cells, 2)
        genes = places[torch.randperm(cells)] @ mixing
        if number == step:
            places[knobs.randint(0, cells - 1)] = 4.0
        batches.append((genes, places))
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("forward",), ("transport",), step))
