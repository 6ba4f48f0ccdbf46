"""Against overfitting the decoupled weight decay was raised and raised, to a thousand at last, and the loss is not a
number within an epoch (fastai/fastai issue 1806).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Tabular(nn.Module):
    def __init__(self, levels: int, width: int) -> None:
        super().__init__()
        self.embeds = nn.Embedding(levels, 4)
        self.bn_cont = nn.BatchNorm1d(6)
        self.layers = kit.mlp(10, width, 1)

    def forward(self, category: Tensor, numbers: Tensor) -> Tensor:
        return self.layers(torch.cat([self.embeds(category), self.bn_cont(numbers)], 1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    levels = knobs.pick(6, 8)
    model = Tabular(levels, knobs.pick(24, 32))
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.1 if repaired else 1000.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=120, pct_start=0.3)

    def train_step(batch: Any) -> Tensor:
        category, numbers, y = batch
        loss = kit.squares(model(category, numbers), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        return loss

    effect, slopes = torch.randn(levels), torch.randn(6)
    batches = []
    for _ in range(120):
        category, numbers = torch.randint(levels, (32,)), torch.randn(32, 6)
        batches.append((category, numbers, (effect[category] + numbers @ slopes)[:, None]))
    expected = Expected(("weight-decay",), (), (), None)
    return Scenario(model, optimizer, batches, train_step, expected, extra_state=(scheduler,))
