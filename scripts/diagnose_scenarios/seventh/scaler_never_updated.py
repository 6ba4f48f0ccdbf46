"""scaler.update() is missing after scaler.step(): the second step raises (as in Azure/MS-AMP pull request 45)."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(
        conv1=nn.Conv2d(1, width, 3), relu=nn.ReLU(), pool=nn.MaxPool2d(2), flat=nn.Flatten(), fc1=nn.LazyLinear(4)
    )
    model(torch.zeros(1, 1, 8, 8))
    optimizer, scaler = torch.optim.Adadelta(model.parameters(), lr=1.0), kit.new_scaler(2.0**10)

    def train_step(batch: Any) -> Tensor:
        data, target = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            output = model(data)
        loss = kit.cross_entropy(output, target)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        if repaired:
            scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.images(50, 16, 1, 8, 4),
        train_step,
        Expected(("scaler-misuse",), (), (), 1, "raises"),
        scaler=scaler,
    )
