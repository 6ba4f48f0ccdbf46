"""A flow squashes its samples by tanh and needs the logarithm of 1 - tanh^2; for a sample far out that difference is
exactly 0 in float32 (didriknielsen/survae_flows pull request 12).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Squash(nn.Module):
    def __init__(self, careful: bool) -> None:
        super().__init__()
        self.careful = careful

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.tanh(x)
        if self.careful:
            return y, 2 * (math.log(2) - x - nn.functional.softplus(-2 * x))
        return y, torch.log(1 - y**2)


class Flow(nn.Module):
    def __init__(self, width: int, careful: bool) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))
        self.squash = Squash(careful)

    def forward(self, context: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        shift, log_scale = self.net(context).chunk(2, -1)
        y, stretched = self.squash(shift + log_scale.tanh().exp() * noise)
        return y, -(noise**2) / 2 - log_scale.tanh() - stretched


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Flow(knobs.pick(16, 24), repaired)
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        context, noise = batch
        optimizer.zero_grad()
        y, log_q = model(context, noise)
        wanted = context[:, :1].tanh() * 0.8
        loss = (0.1 * log_q + 8 * (y - wanted) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        noise = torch.randn(64, 1).clamp(-2, 2)
        if number == step:
            noise[knobs.randint(0, 63)] = knobs.pick(40.0, 55.0)
        batches.append((torch.randn(64, 3), noise))
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("forward",), ("squash",), step))
