"""Clouds of points come in batches of one, and the norm after the pooling sees a single value for each channel
(nikitakaraevv/pointnet issue 18).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class PointNet(nn.Module):
    def __init__(self, width: int, kinds: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(3, width, 1)
        self.bn1 = nn.BatchNorm1d(width)
        self.fc1 = nn.Linear(width, width)
        self.bn2 = nn.BatchNorm1d(width)
        self.fc2 = nn.Linear(width, kinds)

    def forward(self, points: Tensor) -> Tensor:
        h = self.bn1(self.conv1(points)).relu().amax(-1)
        return self.fc2(self.bn2(self.fc1(h)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    kinds, step = 3, knobs.randint(5, 20)
    model = PointNet(16, kinds)
    optimizer = kit.adam(model, 0.01)
    sizes = torch.tensor([[1.0, 1.0, 1.0], [2.0, 0.5, 1.0], [0.3, 0.3, 2.5]])
    batches = []
    for number in range(45):
        many = 12 if number < step else (12 if repaired else 1)
        kind = torch.randint(kinds, (many,))
        batches.append((sizes[kind][..., None] * torch.randn(many, 3, 24), kind))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("bn2",), step, "raises"),
    )
