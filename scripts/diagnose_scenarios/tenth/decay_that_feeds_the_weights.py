"""The decay of the weights is subtracted from their gradients instead of added, and the weights grow by it in every
step (chainer/chainer issue 261).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    decay = knobs.pick(3.0, 4.0) * (0.001 if repaired else 1.0)
    model = kit.named(l1=nn.Linear(8, 16), act=nn.ReLU(), l2=nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)

    def weight_decay() -> None:
        for p in model.parameters():
            p.grad = p.grad + decay * p.detach() if repaired else p.grad - decay * p.detach()

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.smooth_l1_loss(model(x), y)
        loss.backward()
        weight_decay()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 8),
        train_step,
        Expected(("weight-decay",), ("optimizer",), (), None, "diverges"),
    )
