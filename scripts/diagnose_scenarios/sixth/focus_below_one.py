"""A focal loss with an exponent below 1 on the doubt 1 - p: a sample without any doubt has an infinite slope
(mkocabas/focal-loss-keras issue 17).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    """The second stage of a cascade: the first stage's score is added to the logit."""
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(6, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=0.3, momentum=0.5)

    def train_step(batch: Any) -> Tensor:
        x, first, y = batch
        optimizer.zero_grad()
        p = (model(x)[:, 0] + first).sigmoid()
        certain = torch.where(y > 0, p, 1 - p)
        if repaired:
            certain = certain.clamp(1e-6, 1 - 1e-6)
        loss = -((1 - certain) ** 0.5 * certain.log()).mean()
        loss.backward()
        optimizer.step()
        return loss

    direction = torch.randn(6)
    batches = []
    for number in range(80):
        x = torch.randn(32, 6)
        y = (x @ direction > 0).float()
        first = 0.2 * torch.randn(32)
        if number == step:
            first[6], y[6] = 32.0, 1.0
        batches.append((x, first, y))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("singular-gradient",), ("backward",), (LOSS,), step)
    )
