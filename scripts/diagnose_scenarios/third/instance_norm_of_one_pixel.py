"""Instance normalisation after so much pooling that a small picture is one pixel: torch refuses."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, width, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.norm = nn.InstanceNorm2d(width, affine=True)
        self.head = nn.Linear(2 * width, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(self.conv1(x).relu())
        x = torch.cat([x, self.norm(x)], 1).relu()
        return self.head(x.amax((2, 3)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Net(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.02)
    colours = torch.randn(3, 2, 1, 1)
    sizes = [8] * 50
    sizes[step] = 5 if repaired else 4
    labels = [torch.randint(3, (12,)) for _ in sizes]
    batches = [(colours[y] + 0.3 * torch.randn(12, 2, size, size), y) for size, y in zip(sizes, labels, strict=True)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("norm",), step, "raises"),
    )
