"""A data set whose size leaves one picture for the last batch of an epoch, and a net that pools to 1 x 1 before a
batch norm: torch raises (pytorch/pytorch issue 4534, meetps/pytorch-semseg issue 214).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class PyramidPooling(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.conv = nn.Conv2d(width, width, 1, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.bn(self.conv(self.pool(x))).relu()
        return torch.cat([x, nn.functional.interpolate(pooled, size=x.shape[2:])], 1)


class PSPNet(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.psp = PyramidPooling(width)
        self.cls = nn.Conv2d(2 * width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.cls(self.psp(self.stem(x).relu()))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    whole = knobs.randint(4, 9)
    size, drop_last = 4 * whole + 1, repaired
    model = PSPNet(knobs.pick(8, 10), 3)
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    patterns = torch.tensor([-1.0, 0.0, 1.0])
    data = []
    for _ in range(size):
        labels = torch.randint(3, (3, 3)).repeat_interleave(2, 0).repeat_interleave(2, 1)
        data.append((patterns[labels][None] + 0.2 * torch.randn(1, 6, 6), labels))
    loader = torch.utils.data.DataLoader(data, batch_size=4, drop_last=drop_last)
    batches = [tuple(batch) for _ in range(8) for batch in loader]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("psp.bn",), whole, "raises"),
    )
