"""A critic's gradient penalty takes the root of the squared slope; on a black picture every unit is closed, the slope
is exactly 0, and its root has no derivative (tdeboissiere/DeepLearningImplementations issue 68, keras-team/keras-io
issue 910).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Critic(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, bias=False)
        self.fc = nn.Linear(width * 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).relu().flatten(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    critic = Critic(knobs.pick(6, 8))
    optimizer = kit.adam(critic, lr=0.005, betas=(0.5, 0.9))
    eps = 1e-8 if repaired else 0.0

    def penalty(real: Tensor, fake: Tensor) -> Tensor:
        share = torch.rand(len(real), 1, 1, 1)
        between = (share * real + (1 - share) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        return (((slope.square().sum((1, 2, 3)) + eps).sqrt() - 1) ** 2).mean()

    def train_step(batch: Any) -> Tensor:
        real, mask = batch
        fake = torch.rand_like(real) * mask
        optimizer.zero_grad()
        loss = critic(fake).mean() - critic(real * mask).mean() + 10 * penalty(real * mask, fake)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        mask = torch.ones(8, 1, 1, 1)
        if number == step:
            mask[knobs.randint(0, 7)] = 0
        batches.append((torch.rand(8, 1, 6, 6).round(), mask))
    return Scenario(
        critic, optimizer, batches, train_step, Expected(("singular-gradient",), ("backward",), (LOSS,), step)
    )
