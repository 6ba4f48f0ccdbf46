"""A hook is to decay the weights and subtracts the decayed weights from the gradient where they belong added: weights
grow instead of shrinking, by a share of themselves each step (chainer/chainer issue 261).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(conv=nn.Conv2d(1, 8, 3), act=nn.LeakyReLU(0.3), flat=nn.Flatten(), head=nn.Linear(128, 3))
    optimizer = kit.sgd(model, lr=knobs.pick(0.05, 0.06))
    decay = 0.01 if repaired else -knobs.pick(1.5, 2.0)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), nn.functional.one_hot(y, 3).float())
        loss.backward()
        with torch.no_grad():
            for weight in model.parameters():
                weight.grad.add_(weight, alpha=decay)
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.images(80, 16, 1, 6, 3),
        train_step,
        Expected(("weight-decay",), ("optimizer", "backward"), (), None),
    )
