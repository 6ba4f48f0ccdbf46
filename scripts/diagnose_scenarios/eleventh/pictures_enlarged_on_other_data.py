"""A net that enlarges pictures trains well on new pictures, then its loss grows and grows until it is no number; an
eighth of the rate is the authors' advice (zudi-lin/rcan-it issue 14).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(width, width, 3, padding=1)
        self.two = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.two(self.one(x).relu())


class Enlarger(nn.Module):
    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(1, width, 3, padding=1)
        self.body = nn.Sequential(*[Block(width) for _ in range(depth)])
        self.tail = nn.Conv2d(width, 4, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.shuffle(self.tail(self.body(self.head(x))))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Enlarger(knobs.pick(6, 8), 4)
    rate = 0.005 if repaired else knobs.pick(0.9, 1.1)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    climb = torch.optim.lr_scheduler.LinearLR(optimizer, 0.02, 1.0, 30 if not repaired else 1)

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        small, large = batch
        optimizer.zero_grad()
        loss = (model(small) - large).square().mean()
        loss.backward()
        optimizer.step()
        climb.step()
        return loss

    batches = []
    for _ in range(70):
        large = nn.functional.interpolate(2 * torch.randn(6, 1, 4, 4), 16, mode="bicubic")
        batches.append((nn.functional.avg_pool2d(large, 2), large))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None), extra_state=(climb,)
    )
