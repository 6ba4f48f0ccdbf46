"""Matrices are trained by Muon and all else by AdamW, each with its own rate and decay; the first one is the watched
one.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        inp=nn.Linear(8, knobs.pick(16, 24)), act=nn.GELU(), norm=nn.LazyBatchNorm1d(), head=nn.LazyLinear(3)
    )
    model(torch.randn(4, 8))
    matrices = [weight for weight in model.parameters() if weight.dim() == 2]
    others = [weight for weight in model.parameters() if weight.dim() < 2]
    muon = torch.optim.Muon(matrices, lr=0.05, weight_decay=0.1)
    adamw = torch.optim.AdamW(others, lr=0.01, weight_decay=0.0)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = kit.cross_entropy(model(x), y)
        loss.backward()
        for each in (muon, adamw):
            each.step()
            each.zero_grad()
        return loss

    return Scenario(model, muon, kit.classes(60, 32, 8, 3), train_step, extra_state=(adamw,))
