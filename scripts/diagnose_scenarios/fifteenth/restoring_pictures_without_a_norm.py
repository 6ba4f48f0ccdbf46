"""A deep net that restores pictures has no layer that keeps its values in bounds, and the loss is soon infinite; the
advice is to clip the gradients (swz30/MPRNet issue 37).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            self.conv.weight.mul_(2.2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x).relu()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    depth = knobs.pick(12, 14)
    blocks = {f"block{number}": Block(6) for number in range(depth)}
    model = kit.named(first=nn.Conv2d(1, 6, 3, padding=1), **blocks, last=nn.Conv2d(6, 1, 3, padding=1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    batches = []
    for _ in range(40):
        clean = torch.rand(3, 1, 2, 2).repeat_interleave(3, 2).repeat_interleave(3, 3)
        batches.append((clean + 0.1 * torch.randn(3, 1, 6, 6), clean))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, clip=0.5 if repaired else None),
        Expected(("exploding-gradients",), (), (), None),
    )
