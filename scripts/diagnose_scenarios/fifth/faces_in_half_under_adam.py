"""A face classifier turned to float16 as a whole, trained by Adam with its default eps, which is 0 there
(pytorch/pytorch issue 8860).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class HappyNet(nn.Module):
    def __init__(self, width: int, moods: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3)
        self.conv2 = nn.Conv2d(width, width, 3)
        self.fc1 = nn.Linear(4 * width, 24)
        self.fc2 = nn.Linear(24, moods)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(self.conv2(self.conv1(x).relu()).relu(), 2)
        return self.fc2(self.fc1(x.flatten(1)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    net = HappyNet(knobs.pick(6, 8), 4).half()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.002, eps=1e-4 if repaired else 1e-8, amsgrad=True)
    batches = [(x.half(), y) for x, y in kit.images(60, 16, 1, 8, 4)]
    return Scenario(
        net,
        optimizer,
        batches,
        kit.train(net, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), ("optimizer",)),
    )
