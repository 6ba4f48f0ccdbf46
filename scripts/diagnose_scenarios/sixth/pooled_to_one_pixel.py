"""A segmentation net normalises the average of the whole picture; the last batch of the epoch holds one picture, and
torch refuses (yassouali/pytorch-segmentation issue 8).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Aspp(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(inputs, width, 1)
        self.far = nn.Conv2d(inputs, width, 3, padding=2, dilation=2)
        self.pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.near(x), self.far(x), self.pool(x).expand(-1, -1, *x.shape[2:])], 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, whole = knobs.pick(6, 8), knobs.randint(9, 14)
    model = kit.named(stem=nn.Conv2d(2, 8, 3, padding=1), act=nn.ReLU(), aspp=Aspp(8, width), out=nn.LazyConv2d(2, 1))
    model(torch.zeros(2, 2, 8, 8))
    optimizer = kit.sgd(model, lr=0.2, momentum=0.9)
    batches = []
    for number in range(3 * (whole + 1)):
        rest = number % (whole + 1) == whole
        if rest and repaired:
            continue
        x = torch.randn(1 if rest else 4, 2, 8, 8)
        batches.append((x, (x[:, 0] > x[:, 1]).long()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("aspp.pool.2", "aspp.pool", "aspp"), whole, "raises"),
    )
