"""The linear scaling rule is followed to 48 cards: six times the rate for six times the batch, reached within a short
warm-up. It is too much; a third of it trains (open-mmlab/mmdetection issue 1710).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(24, 32)
    model = nn.ModuleDict(
        {
            "fc1": nn.Linear(24, width),
            "fc2": nn.Linear(width, width),
            "classes": nn.Linear(width, 5),
            "deltas": nn.Linear(width, 4),
        }
    )
    rate = knobs.pick(2.4, 3.0)
    optimizer = kit.sgd(model, lr=rate / 60 if repaired else rate, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / 3, total_iters=4)

    def train_step(batch: Any) -> Tensor:
        region, label, delta = batch
        optimizer.zero_grad()
        h = model["fc2"](model["fc1"](region).relu()).relu()
        loss = nn.functional.cross_entropy(model["classes"](h), label)
        loss = loss + nn.functional.mse_loss(model["deltas"](h), delta)
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    centres = torch.randn(5, 24)
    boxes = torch.randn(5, 4)
    labels = [torch.randint(5, (96,)) for _ in range(50)]
    return Scenario(
        model,
        optimizer,
        [(centres[y] + 0.4 * torch.randn(96, 24), y, boxes[y]) for y in labels],
        train_step,
        Expected(("learning-rate",), (), (), None, "diverges"),
        extra_state=(schedule,),
    )
