"""The masks of a data set were written with sixteen bits and hold noughts and 65535 where the loss takes noughts and
ones; read as true and false they train (matterport/Mask_RCNN issue 1099).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Masks(nn.Module):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(layers))
        self.mask = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x).relu()
        for conv in self.convs:
            h = h + conv(h).relu()
        return self.mask(h)[:, 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Masks(8, knobs.pick(2, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    batches = []
    for _ in range(45):
        there = torch.rand(6, 4, 4).round().repeat_interleave(2, 1).repeat_interleave(2, 2)
        x = there[:, None] * torch.tensor([1.0, -1.0, 0.5])[:, None, None] + 0.3 * torch.randn(6, 3, 8, 8)
        batches.append((x, there if repaired else there * 65535))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.binary_cross_entropy_with_logits),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), None),
    )
