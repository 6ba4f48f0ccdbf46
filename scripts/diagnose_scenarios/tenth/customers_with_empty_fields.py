"""A table of customers for a model of their leaving has empty fields in a few rows, and the model trains on without
ever printing a loss, until they are filled (havakv/pycox issue 48).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    columns, times, step = 12, knobs.pick(4, 5), knobs.randint(8, 17)
    net = kit.named(
        lin1=nn.Linear(columns, 24),
        act=nn.ReLU(),
        norm=nn.BatchNorm1d(24),
        drop=nn.Dropout(0.1),
        lin2=nn.Linear(24, times),
    )
    optimizer = kit.adam(net, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        x, duration, event = batch
        optimizer.zero_grad()
        reached = torch.arange(times) <= duration[:, None]
        left = (torch.arange(times) == duration[:, None]) & event[:, None]
        hazard = nn.functional.binary_cross_entropy_with_logits(net(x), left.float(), reduction="none")
        loss = (hazard * reached).sum(1).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        x = torch.randn(64, columns)
        duration = (x[:, 0] + times / 2).round().clamp(0, times - 1).long()
        if number == step and not repaired:
            x[torch.rand(64, columns) < 0.01] = math.nan
            x[knobs.randint(0, 63), 3] = math.nan
        batches.append((x, duration, torch.rand(64) < 0.8))
    return Scenario(net, optimizer, batches, train_step, Expected(("bad-data",), ("data", "forward"), ("lin1",), step))
