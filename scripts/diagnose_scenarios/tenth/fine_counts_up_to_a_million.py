"""Counts from one to a million are fitted by the logarithm of their rate: the loss starts in the hundreds of thousands,
the first gradients are of that size, and clipping takes them down.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(3, knobs.pick(16, 24)), act=nn.GELU(), lograte=nn.LazyLinear(1))
    model(torch.zeros(1, 3))
    optimizer = kit.adam(model, lr=0.05)

    def train_step(batch: Any) -> Tensor:
        x, count = batch
        optimizer.zero_grad()
        loss = nn.functional.poisson_nll_loss(model(x).clamp(max=15.0), count)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    batches = []
    for _ in range(80):
        x = torch.randn(64, 3)
        batches.append((x, torch.poisson((5 + 3 * x[:, :1]).clamp(0, 13.8).exp())))
    return Scenario(model, optimizer, batches, train_step)
