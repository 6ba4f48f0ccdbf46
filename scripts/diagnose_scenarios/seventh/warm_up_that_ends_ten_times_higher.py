"""The first steps run at a low rate, then the schedule raises it beyond what the net bears (as in
ZJULearning/pixel_link issue 11: the second rate was the trouble).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(
        c1=nn.Conv1d(2, width, 3, padding=1),
        r1=nn.ReLU(),
        c2=nn.Conv1d(width, width, 3, padding=1),
        r2=nn.ReLU(),
        out=nn.Conv1d(width, 1, 1),
    )
    optimizer = kit.sgd(model, lr=0.02, momentum=0.9)
    until, top = knobs.randint(10, 15), 1.0 if repaired else knobs.pick(100.0, 150.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.3 if step < until else top)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = kit.squares(model(x), y)
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    xs = [torch.randn(16, 2, 12) for _ in range(60)]
    batches = [(x, x[:, :1] + x[:, 1:].roll(1, 2)) for x in xs]
    return Scenario(
        model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None), extra_state=(schedule,)
    )
