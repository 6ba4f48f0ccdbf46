"""A large embedding table with sparse gradients under SparseAdam: most rows never move."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words, width = knobs.pick(2000, 3000), 8
    model = kit.named(table=nn.EmbeddingBag(words, width, mode="sum", sparse=True), head=nn.Linear(width, 1))
    optimizer = torch.optim.SparseAdam(model.table.parameters(), lr=0.05)
    dense = kit.sgd(model.head, lr=0.02)
    worth = torch.randn(words)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        dense.zero_grad()
        loss = kit.squares(model(x), y)
        loss.backward()
        optimizer.step()
        dense.step()
        return loss

    xs = [torch.randint(40, (32, 3)) * (words // 40) for _ in range(120)]
    batches = [(x, worth[x].sum(1, keepdim=True)) for x in xs]
    return Scenario(model, optimizer, batches, train_step, extra_state=(dense,))
