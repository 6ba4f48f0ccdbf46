"""Optical flow is learnt from rendered scenes in which the true flow of some pixels is no number; the authors leave
such samples out, and a loop without that check takes them in (haofeixu/gmflow issue 27).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Flow(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(1, width, 3, padding=1)
        self.refine = nn.Conv2d(2 * width, width, 3, padding=1)
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, first: Tensor, second: Tensor) -> list[Tensor]:
        a, b = self.backbone(first), self.backbone(second)
        coarse = self.refine(torch.cat([a, b - a], 1)).relu()
        return [self.head(coarse), self.head(coarse + self.refine(torch.cat([coarse, b], 1)).relu())]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(12, 28)
    model = Flow(knobs.pick(6, 8))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def train_step(batch: Any) -> Tensor:
        first, second, flow = batch
        if repaired:
            whole = flow.isfinite().all(dim=(1, 2, 3))
            first, second, flow = first[whole], second[whole], flow[whole]
        stages = model(first, second)
        loss = sum(0.9 ** (1 - number) * (stage - flow).abs().mean() for number, stage in enumerate(stages))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        first, second = torch.randn(2, 4, 1, 8, 8)
        flow = torch.cat([second - first, first], 1)
        if number == step:
            flow[knobs.randint(0, 3), :, 2:4, 5] = math.nan
        batches.append((first, second, flow))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("bad-labels", "bad-data"), ("data", "loss"), (LOSS,), step)
    )
