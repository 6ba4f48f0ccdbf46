"""A pyramid's global branch pools to one pixel and normalises it; the data set's size leaves one picture for the last
batch, for which the norm has a single value a channel (VainF/DeepLabV3Plus-Pytorch issue 27).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Pyramid(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.near = nn.Sequential(nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.whole = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.project = nn.Conv2d(2 * width, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        whole = nn.functional.interpolate(self.whole(x), size=x.shape[-2:])
        return self.project(torch.cat([self.near(x), whole], 1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    epoch, width = knobs.randint(5, 8), knobs.pick(6, 8)
    model = Pyramid(2, width)
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    colours = torch.randn(3, 2)
    batches = []
    for number in range(48):
        last = number % epoch == epoch - 1
        if last and repaired:
            continue
        mask = torch.randint(3, (1 if last else 6, 7, 7))
        batches.append((colours[mask].permute(0, 3, 1, 2) + 0.3 * torch.randn(mask.shape[0], 2, 7, 7), mask))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("whole.2", "whole"), epoch - 1, "raises"),
    )
