"""The warm-up is counted in epochs of a data set far larger than the example's: the whole run is warm-up, the rate
rises and rises, and the box loss ends as NaN; with a lower rate at the top it trains
(YunYang1994/TensorFlow2.0-Examples issue 8).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(20, 28)
    model = kit.named(
        stem=nn.Linear(12, width), act=nn.Mish(), neck=nn.Linear(width, width), act2=nn.Mish(), box=nn.Linear(width, 4)
    )
    optimizer = kit.sgd(model, lr=0.05 if repaired else 4.0, momentum=0.9)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (step + 1) / 75)

    def train_step(batch: Any) -> Tensor:
        x, box = batch
        optimizer.zero_grad()
        found = model(x)
        loss = (found - box).square().sum(1).mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    teacher = torch.randn(12, 4) / 2
    xs = [torch.randn(32, 12) for _ in range(75)]
    return Scenario(
        model,
        optimizer,
        [(x, (x @ teacher).sin() + 1) for x in xs],
        train_step,
        Expected(("learning-rate",), (), (), None),
        extra_state=(schedule,),
    )
