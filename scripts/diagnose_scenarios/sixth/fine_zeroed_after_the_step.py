"""Gradients are zeroed right after the optimizer's step instead of before backward, which comes to the same
(openpifpaf/openpifpaf issue 123).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(conv=nn.Conv2d(1, knobs.pick(6, 8), 3), act=nn.ReLU(), flat=nn.Flatten(), fc=nn.LazyLinear(3))
    model(torch.zeros(1, 1, 6, 6))
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = kit.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return Scenario(model, optimizer, kit.images(50, 8, 1, 6, 3), train_step)
