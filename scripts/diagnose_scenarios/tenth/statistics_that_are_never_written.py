"""A batch norm of one's own normalises by the batch and never writes its running mean and variance; when the norm is
frozen for fine-tuning they still say 0 and 1 (paiml/aprender pull request 2166).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Norm(nn.Module):
    def __init__(self, width: int, writes: bool) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.mean, self.variance = nn.Buffer(torch.zeros(width)), nn.Buffer(torch.ones(width))
        self.writes = writes

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self.mean, self.variance
        if self.training:
            mean, variance = x.mean(0), x.var(0, correction=0)
            if self.writes:
                self.mean.lerp_(mean.detach(), 0.5)
                self.variance.lerp_(variance.detach(), 0.5)
        return self.weight * (x - mean) / (variance + 1e-5).sqrt() + self.bias


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    frozen, loudness = knobs.randint(18, 24), knobs.pick(40.0, 60.0)
    model = kit.named(inp=nn.Linear(6, 16), norm=Norm(16, repaired), act=nn.ReLU(), head=nn.Linear(16, 1))
    optimizer = kit.sgd(model, lr=0.02)
    count = [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        model.norm.train(count[0] < frozen)
        count[0] += 1
        optimizer.zero_grad()
        loss = kit.squares(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        [(loudness * x, y) for x, y in kit.regression(60, 64, 6)],
        train_step,
        Expected(("batch-statistics",), ("forward",), ("norm",), None),
    )
