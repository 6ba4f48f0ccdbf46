"""Rendered disparity maps hold NaN where a pixel has no partner in the other view; they must not take part in the
error, and here they do (lmb-freiburg/dispnet-flownet-docker issue 20).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Stereo(nn.Module):
    """Correlates two feature rows over a few shifts and refines the best one."""

    def __init__(self, width: int, shifts: int) -> None:
        super().__init__()
        self.feature = nn.Conv2d(1, width, 3, padding=1)
        self.refine = nn.Conv2d(shifts, 1, 3, padding=1)
        self.shifts = shifts

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        a, b = self.feature(left), self.feature(right)
        costs = torch.stack([(a * b.roll(shift, -1)).mean(1) for shift in range(self.shifts)], 1)
        soft = (costs * 10).softmax(1)
        expected = (soft * torch.arange(self.shifts)[:, None, None]).sum(1, keepdim=True)
        return expected + self.refine(costs)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, shifts = knobs.step(), knobs.pick(4, 5)
    model = Stereo(8, shifts)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        left, right, disparity = batch
        optimizer.zero_grad()
        found = model(left, right)
        if repaired:
            known = disparity.isfinite()
            found, disparity = found[known], disparity[known]
        loss = nn.functional.smooth_l1_loss(found, disparity)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        right = torch.randn(6, 1, 6, 12)
        shift = torch.randint(shifts, (6,)).tolist()
        left = torch.stack([row.roll(by, -1) for row, by in zip(right, shift, strict=True)])
        disparity = torch.tensor(shift, dtype=torch.float32)[:, None, None, None].repeat(1, 1, 6, 12)
        if number >= step:
            disparity[:, :, :2, -1] = math.nan
        batches.append((left, right, disparity))
    return Scenario(model, optimizer, batches, train_step, Expected(("bad-data",), ("data",), (), step))
