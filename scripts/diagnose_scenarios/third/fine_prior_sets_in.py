"""A variational autoencoder whose prior term is off at first and then comes in with full weight: the loss rises."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Coder(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.enc = nn.Linear(inputs, 2 * width)
        self.dec = nn.Linear(width, inputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.enc(x).chunk(2, 1)
        return self.dec(mean + torch.randn_like(mean) * (0.5 * log_variance).exp()), mean, log_variance


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model, start, done = Coder(8, 3), knobs.pick(25, 30), [0]
    optimizer = kit.adam(model, lr=0.02)

    def train_step(x: Any) -> Tensor:
        weight = min(max(done[0] - start, 0) / 10, 1.0)
        done[0] += 1
        optimizer.zero_grad()
        rebuilt, mean, log_variance = model(x)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        loss = kit.squares(rebuilt, x) + weight * kl
        loss.backward()
        optimizer.step()
        return loss

    mix = torch.randn(3, 8)
    return Scenario(model, optimizer, [torch.randn(32, 3) @ mix for _ in range(80)], train_step, learns=False)
