"""An annotation has its left edge right of its right edge, and the loss takes the root of the negative width (as in
thtrieu/darkflow issue 151).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Yolo(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(1, width, 3, stride=2)
        self.head = nn.Linear(width * 9, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x).relu().flatten(1)).sigmoid()


def boxes_loss(p: Tensor, y: Tensor) -> Tensor:
    centre, size = (y[:, :2] + y[:, 2:]) / 2, y[:, 2:] - y[:, :2]
    return (p[:, :2] - centre).square().sum(1).mean() + 5 * (p[:, 2:].sqrt() - size.sqrt()).square().sum(1).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Yolo(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.005)
    batches = []
    for number in range(80):
        corner, size = 0.5 * torch.rand(16, 2), 0.1 + 0.35 * torch.rand(16, 2)
        grid = torch.linspace(0, 1, 8)
        inside = [(grid >= corner[:, i : i + 1]) & (grid <= (corner + size)[:, i : i + 1]) for i in (0, 1)]
        x = (inside[1][:, :, None] & inside[0][:, None]).float()[:, None]
        y = torch.cat([corner, corner + size], 1)
        if number == step and not repaired:
            y[6, [0, 2]] = y[6, [2, 0]]
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, boxes_loss),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step),
    )
