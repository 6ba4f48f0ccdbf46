"""A refactored loop of a two-stage detector lost the warm-up and the small rate of the original; the box loss is NaN
after a few steps (roytseng-tw/Detectron.pytorch issue 29).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Head(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, width)
        self.fc2 = nn.Linear(width, width)
        self.cls = nn.Linear(width, 3)
        self.box = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.fc2(self.fc1(x).relu()).relu()
        return self.cls(h), self.box(h)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Head(12, knobs.pick(48, 64))
    base = 0.05 if repaired else knobs.pick(20.0, 30.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=base, momentum=0.9)
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1 if repaired else 1.0, total_iters=10)

    def train_step(batch: Any) -> Tensor:
        x, y, boxes = batch
        optimizer.zero_grad()
        logits, deltas = model(x)
        loss = nn.functional.cross_entropy(logits, y) + nn.functional.mse_loss(deltas, boxes)
        loss.backward()
        optimizer.step()
        warmup.step()
        return loss

    shift = torch.randn(3, 4)
    batches = [(x, y, shift[y]) for x, y in kit.classes(50, 64, 12, 3)]
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("learning-rate",), (), (), None),
        extra_state=(warmup,),
    )
