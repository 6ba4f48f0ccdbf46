"""A radiance field in float16 averages a tiny loss over its rays and passes it back unscaled (as in
NVlabs/tiny-cuda-nn issue 472, on what its loss scale is for).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Field(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(3, width), requires_grad=False)
        self.density = nn.Linear(2 * width, width)
        self.colour = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        waves = x @ self.frequencies
        return self.colour(self.density(torch.cat([waves.sin(), waves.cos()], -1)).relu()).float().sigmoid()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Field(knobs.pick(16, 24))
    trained = [*model.density.parameters(), *model.colour.parameters()]
    optimizer = torch.optim.Adam(trained, lr=0.02, eps=1e-20)
    rays, scale_of_loss = 4096, 2.0**20 if repaired else 1.0
    share = knobs.pick(64, 128) / 100

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            p = model(x)
        loss = share * (p - y).square().mean() / rays / 100
        (loss * scale_of_loss).backward()
        for parameter in trained:
            parameter.grad /= scale_of_loss
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        x = torch.rand(64, 3)
        batches.append((x, (x * 3).sin().abs()))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("gradient-underflow",), ("backward",), (), None, "stalls")
    )
