"""A split attention normalises what is left after pooling a picture to one value a channel; with one picture a batch
the spread of that value is asked for (zhanghang1989/ResNeSt issue 46).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SpreadNorm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(0)) / ((x - x.mean(0)).square().sum(0) / (x.shape[0] - 1) + 1e-5).sqrt()


class Split(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2 * width, 3, padding=1)
        self.bn1 = SpreadNorm()
        self.fc = nn.Linear(width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        one, two = self.conv(x).relu().chunk(2, 1)
        share = self.fc(self.bn1((one + two).mean((2, 3)))).view(len(x), 2, -1).softmax(1)
        return (share[:, 0, :, None, None] * one + share[:, 1, :, None, None] * two).mean((2, 3))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(6, 25)
    model = kit.named(splat=Split(10), fc=nn.Linear(10, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    batches = kit.images(50, 16, 3, 6, 3)
    x, y = batches[step]
    batches = kit.at(batches, step, (x[:2], y[:2]) if repaired else (x[:1], y[:1]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("splat.bn1", "splat"), step),
    )
