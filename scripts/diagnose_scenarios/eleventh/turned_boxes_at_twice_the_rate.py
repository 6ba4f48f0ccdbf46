"""A comment in a configuration is read as if fewer cards wanted a higher rate; turned boxes in aerial pictures are no
number in the first epoch, and at a quarter of the rate they train (zcablii/LSKNet issue 5).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Turned(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, stride=2, padding=1)
        self.large = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.mix = nn.Conv2d(width, width, 1)
        self.box = nn.Linear(width * 16, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        h = h * self.mix(self.large(h))
        return self.box(h.flatten(1))


def decoded(delta: Tensor) -> Tensor:
    """Centre, size and angle of the box."""
    return torch.cat([delta[:, :2], delta[:, 2:4].exp(), delta[:, 4:]], 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Turned(knobs.pick(6, 8))
    rate = 0.002 if repaired else knobs.pick(0.8, 1.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.05)

    def train_step(batch: Any) -> Tensor:
        picture, box = batch
        loss = nn.functional.mse_loss(decoded(model(picture)), box)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        picture = torch.randn(16, 1, 8, 8)
        told = picture[:, 0, 2:4].mean((1, 2))[:, None]
        batches.append((picture, torch.cat([told, -told, (told / 2).exp(), (1 + told).abs() + 0.5, told], 1)))
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None))
