"""On some computers the optimizer was exchanged for Adam, and the rates of plain descent were kept; nearly every model
diverged within a few iterations (DeepLabCut/DeepLabCut pull request 2393).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Points(nn.Module):
    def __init__(self, width: int, points: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.maps = nn.Conv2d(width, points, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(self.conv2(self.conv1(x).relu()).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    points = knobs.pick(2, 3)
    model = Points(8, points)
    first, second = (3e-3, 1e-3) if repaired else (5e-3, knobs.pick(4.0, 6.0))
    optimizer = torch.optim.Adam(model.parameters(), lr=first)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 if step < 10 else second / first)

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        loss = kit.squares(model(batch[0]), batch[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    colours = torch.randn(points, 3)
    batches = []
    for _ in range(32):
        there = (torch.rand(6, points, 8, 8) < 0.1).float()
        x = torch.einsum("npij,pc->ncij", there, colours) + 0.05 * torch.randn(6, 3, 8, 8)
        batches.append((x, 2 * there))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("learning-rate",), (), (), None, "diverges"),
        extra_state=(schedule,),
    )
