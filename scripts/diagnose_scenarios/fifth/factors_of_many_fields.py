"""A field-aware factorisation machine draws its factors with a spread that does not know how many fields there are; the
exponential in the logistic loss is infinite at once (VinceShieh/spark-ffm issue 12).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class FFM(nn.Module):
    def __init__(self, fields: int, levels: int, rank: int, spread: float) -> None:
        super().__init__()
        self.linear = nn.Parameter(torch.zeros(fields, levels))
        self.factors = nn.Parameter(spread * torch.randn(fields, levels, rank))

    def forward(self, x: Tensor) -> Tensor:
        place = torch.arange(x.shape[1])
        chosen = self.factors[place, x]
        pairs = (chosen.sum(1).square() - chosen.square().sum(1)).sum(1) / 2
        return self.linear[place, x].sum(1) + pairs


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    fields, rank = knobs.pick(30, 36), 16
    model = FFM(fields, 4, rank, 0.3 / (fields * rank) ** 0.5 if repaired else 1.0)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = torch.log(1 + torch.exp(-y * model(x))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    weight = torch.randn(fields, 4)
    batches = []
    for _ in range(50):
        x = torch.randint(4, (64, fields))
        batches.append((x, weight[torch.arange(fields), x].sum(1).sign()))
    return Scenario(model, optimizer, batches, train_step, Expected(("initialisation",), ("loss",), (LOSS,)))
