"""clip_grad_norm_ came into a working mixed-precision loop without unscale_: the loss stops falling
(pytorch/pytorch issue 40907).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3)
        self.conv2 = nn.Conv2d(width, width, 3)
        self.dropout = nn.Dropout(0.1)
        self.fc = nn.Linear(width * 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(self.conv2(self.conv1(x).relu()).relu(), 2)
        return self.fc(self.dropout(x.flatten(1)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(8, 10))
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    scaler = kit.new_scaler()

    def train_step(batch: Any) -> Tensor:
        data, target = batch
        optimizer.zero_grad()
        with kit.autocast(torch.bfloat16):
            loss = kit.cross_entropy(model(data), target)
        scaler.scale(loss).backward()
        if repaired:
            scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 12)
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.images(50, 16, 1, 8, 4),
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
    )
