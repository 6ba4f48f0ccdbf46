"""A reversible residual net is started without the option that clips gradients to 0.25, and its loss is no number soon
(tbung/pytorch-revnet issue 1).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class RevBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
        self.g = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
        for branch in (self.f, self.g):
            nn.init.kaiming_normal_(branch[0].weight)
            nn.init.normal_(branch[2].weight, std=0.5 / (9 * width) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        x1, x2 = x.chunk(2, 1)
        y1 = x1 + self.f(x2)
        return torch.cat([y1, x2 + self.g(y1)], 1)


class RevNet(nn.Module):
    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2 * width, 3, padding=1)
        self.blocks = nn.Sequential(*(RevBlock(width) for _ in range(depth)))
        self.fc = nn.Linear(2 * width, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(self.stem(x)).mean((2, 3)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = RevNet(4, knobs.pick(11, 12))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9, weight_decay=2e-4)

    def train_step(batch: Any) -> Tensor:
        images, labels = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        if repaired:
            nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        return loss

    # Without the clip the rate of 0.1 is too high for such a net, and the other way round: both names are true.
    expected = Expected(("exploding-gradients", "learning-rate"), (), (), None)
    return Scenario(model, optimizer, kit.images(40, 16, 1, 6, 4), train_step, expected)
