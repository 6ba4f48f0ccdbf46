"""A detector's settings for batches of 64 and more are kept for a batch of 4, and its learning rate with them
(bingykang/Fewshot_Detection issue 43).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Darknet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.detect = nn.Conv2d(width, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.leaky_relu(self.conv1(x), 0.1)
        return self.detect(nn.functional.leaky_relu(self.conv2(x), 0.1))


def scene(batch: int) -> tuple[Tensor, Tensor, Tensor]:
    """Blobs of two sizes on a 5 x 5 grid of cells of 2 x 2 pixels."""
    there = (torch.rand(batch, 1, 5, 5) < 0.15).float()
    size = 0.5 + torch.rand(batch, 1, 5, 5)
    x = nn.functional.interpolate(there * size, scale_factor=2) + 0.05 * torch.randn(batch, 1, 10, 10)
    return x, there, (there * size).expand(-1, 4, -1, -1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    net = Darknet(knobs.pick(8, 12))
    batch = 4
    rate = 0.002 if repaired else knobs.pick(0.08, 0.1)
    optimizer = kit.sgd(net, lr=rate, momentum=0.9, weight_decay=5e-4)

    def train_step(target: Any) -> Tensor:
        x, there, boxes = target
        out = net(x)
        box = (there * (out[:, :4] - boxes).square()).sum() / batch
        conf = (out[:, 4:].sigmoid() - there).square().sum() / batch
        loss = 5 * box + conf
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = [scene(batch) for _ in range(60)]
    return Scenario(net, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None))
