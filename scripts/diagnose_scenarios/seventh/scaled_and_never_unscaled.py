"""A sample uses the scaler for the loss alone and steps the optimizer itself, 1024 times too far (as in
nerfstudio-project/nerfacc issue 307).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(a=nn.Linear(3, knobs.pick(24, 32)), act=nn.ReLU(), b=nn.LazyLinear(4))
    model(torch.zeros(1, 3))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.5)
    scaler = kit.new_scaler(2.0**10)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        if repaired:
            scaler.unscale_(optimizer)
        optimizer.step()
        if repaired:
            scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 3, 4),
        train_step,
        Expected(("scaler-misuse",), (), (), None),
        scaler=scaler,
    )
