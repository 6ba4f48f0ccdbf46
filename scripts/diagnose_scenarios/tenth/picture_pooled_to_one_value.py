"""One branch of a segmentation net pools the whole picture to one value and normalises it over the batch, which a last
batch of one picture does not allow (tensorflow/models issue 5066).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Pooling(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.norm(self.conv(x.mean((2, 3), keepdim=True))).relu()
        return torch.cat([x, pooled.expand_as(x)], 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.randint(3, 12), knobs.pick(6, 8)
    model = kit.named(stem=nn.Conv2d(2, width, 3, padding=1), pooling=Pooling(width), head=nn.Conv2d(2 * width, 3, 1))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    photos = [(x, y[:, None, None].expand(-1, 6, 6)) for x, y in kit.images(40, 8, 2, 6, 3)]
    x, y = photos[step]
    few = 2 if repaired else 1
    return Scenario(
        model,
        optimizer,
        kit.at(photos, step, (x[:few], y[:few])),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("pooling.norm",), step, "raises"),
    )
