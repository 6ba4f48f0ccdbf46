"""Point clouds are centred and divided by their radius; one exported object has all its points in one place
(fxia22/pointnet.pytorch issue 58).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class PointNet(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(3, width, 1)
        self.conv2 = nn.Conv1d(width, 2 * width, 1)
        self.bn1, self.bn2 = nn.BatchNorm1d(width), nn.BatchNorm1d(2 * width)
        self.fc = nn.Linear(2 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu()
        return self.fc(self.bn2(self.conv2(x)).amax(2)).log_softmax(1)


def normalised(points: Tensor) -> Tensor:
    points = points - points.mean(0)
    return points / points.norm(dim=1).max()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, bad = knobs.step(), knobs.randint(0, 15)
    model = PointNet(knobs.pick(12, 16), 3)
    optimizer = kit.adam(model, lr=0.005)
    stretch = torch.tensor([[1.0, 1.0, 1.0], [3.0, 1.0, 1.0], [1.0, 3.0, 3.0]])
    batches = []
    for number in range(50):
        labels = torch.randint(3, (16,))
        clouds = torch.randn(16, 24, 3) * stretch[labels][:, None]
        if number == step and not repaired:
            clouds[bad] = 0.5
        batches.append((torch.stack([normalised(cloud).t() for cloud in clouds]), labels))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.nll_loss),
        Expected(("bad-data",), ("data",), (), step),
    )
