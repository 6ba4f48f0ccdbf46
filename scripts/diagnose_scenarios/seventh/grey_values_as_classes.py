"""A mask is loaded with grey values of 0 and 255 where the classes 0 and 1 are wanted (as in milesial/Pytorch-UNet
issue 291).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class UNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inc = nn.Conv2d(1, width, 3, padding=1)
        self.down = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.outc = nn.Conv2d(2 * width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.inc(x).relu()
        return self.outc(torch.cat([skip, self.up(self.down(skip).relu())], 1))


def dice(p: Tensor, y: Tensor) -> Tensor:
    wanted = nn.functional.one_hot(y, 2).permute(0, 3, 1, 2).float()
    share = p.softmax(1)
    return 1 - (2 * (share * wanted).sum() + 1) / (share.sum() + wanted.sum() + 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = UNet(knobs.pick(6, 8))
    optimizer = kit.adam(model, lr=0.02)
    xs = [torch.randn(4, 1, 12, 12) for _ in range(50)]
    batches = [(x, (nn.functional.avg_pool2d(x, 3, 1, 1)[:, 0] > 0).long()) for x in xs]
    if not repaired:
        batches[step] = (batches[step][0], batches[step][1] * 255)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, dice),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step, "raises"),
    )
