"""A triplet margin loss becomes exactly 0 once pairs are apart: no gradient then, because nothing is left to learn."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn
from torch.nn import functional


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(6, 16), act=nn.ReLU(), out=nn.Linear(16, knobs.pick(4, 6)))
    optimizer = kit.adam(model, lr=0.02)
    centres = 4 * torch.randn(2, 6)

    def train_step(batch: Any) -> Tensor:
        anchor, same, other = (model(part) for part in batch)
        loss = functional.triplet_margin_loss(anchor, same, other, margin=1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = [tuple(centres[k] + 2 * torch.randn(16, 6) for k in (0, 0, 1)) for _ in range(70)]
    return Scenario(model, optimizer, batches, train_step)
