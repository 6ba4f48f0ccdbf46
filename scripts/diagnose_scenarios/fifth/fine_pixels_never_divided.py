"""Pixels up to a thousand go into the net, by an oversight in its normalisation; a batch norm after the first layer
takes care of it (mks0601/3DMPPE_POSENET_RELEASE issue 69).
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class PoseNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.joints = nn.Linear(width * 16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu()
        return self.joints(self.bn2(self.conv2(x)).relu().flatten(1))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = PoseNet(knobs.pick(8, 10))
    optimizer = kit.adam(model, lr=0.005)
    batches = [(500 + 150 * x, y) for x, y in kit.images(50, 16, 1, 8, 4)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
