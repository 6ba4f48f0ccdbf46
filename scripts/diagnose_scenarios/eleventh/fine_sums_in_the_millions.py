"""Errors are summed over all entries of large batches without any mean; losses and gradients are in the hundred
thousands, and the rate is small to match.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    unit = knobs.pick(80.0, 120.0)
    model = kit.mlp(5, knobs.pick(12, 16), 20)
    optimizer = torch.optim.SGD(model.parameters(), lr=2e-5, momentum=0.5)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = (unit * (model(x) - y)).abs().sum()
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 2000.0)
        optimizer.step()
        return loss

    return Scenario(model, optimizer, kit.regression(80, 128, 5, 20), train_step)
