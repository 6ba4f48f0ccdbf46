"""model.half() and a trainer's 16-bit precision together: the scaler will not unscale float16 gradients and raises
(Lightning-AI/pytorch-lightning issue 5140).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.conv2(self.conv1(x).relu())).relu()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(stem=nn.Conv2d(1, width, 3), block=ResidualBlock(width), flat=nn.Flatten())
    model.add_module("head", nn.Linear(width * 16, 3))
    if not repaired:
        model.half()
    optimizer = kit.sgd(model, lr=0.02)
    scaler = kit.new_scaler(2.0**10)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.images(40, 8, 1, 6, 3),
        train_step,
        Expected(("scaler-misuse",), ("optimizer",), (), 0, "raises"),
        scaler=scaler,
    )
