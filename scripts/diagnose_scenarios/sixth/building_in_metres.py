"""Points of a scanned building go in as they were measured, in metres from a far corner of the map, into a net made
for a centred unit box (chenzhaiyu/polygnn issue 25).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class PointNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp1 = nn.Conv1d(3, width, 1)
        self.mlp2 = nn.Conv1d(width, width, 1)
        self.head = nn.Linear(width, 1)

    def forward(self, points: Tensor) -> Tensor:
        x = nn.functional.leaky_relu(self.mlp1(points))
        return self.head(nn.functional.leaky_relu(self.mlp2(x)).mean(2))


def build(seed: int, repaired: bool = False) -> Scenario:
    """How high a building is."""
    knobs = kit.Knobs(seed)
    model = PointNet(knobs.pick(16, 24))
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    middle = torch.tensor([0.0, 0.0, 10.0]).view(3, 1)
    far = torch.tensor([knobs.pick(690.0, 710.0), 340.0, 50.0]).view(3, 1)
    batches = []
    for _ in range(80):
        side, height = 10 + 20 * torch.rand(8, 1, 1), 10 + 20 * torch.rand(8, 1, 1)
        cloud = torch.cat([side, side, height], 1) * (torch.rand(8, 3, 48) - torch.tensor([0.5, 0.5, 0.0]).view(3, 1))
        points = (cloud - middle) / 10 if repaired else cloud + far
        batches.append((points, height[:, 0] / 5 - 4))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
