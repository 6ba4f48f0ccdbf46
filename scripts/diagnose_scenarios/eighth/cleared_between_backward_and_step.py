"""The gradients are cleared after backward and before the step of the scaler, which then has nothing to apply
(IDEA-Research/DN-DETR issue 18).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, knobs.pick(24, 32)), act=nn.ReLU(), head=nn.LazyLinear(3))
    model(torch.zeros(1, 8))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    scaler = kit.new_scaler(2.0**12)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        if repaired:
            optimizer.zero_grad(set_to_none=False)
        with kit.autocast(torch.float16):
            loss = kit.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        if not repaired:
            optimizer.zero_grad(set_to_none=False)
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.classes(50, 32, 8, 3),
        train_step,
        Expected(("zero-grad",), (), (), None, "stalls"),
        scaler=scaler,
    )
