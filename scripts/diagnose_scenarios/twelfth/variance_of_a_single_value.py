"""A norm that corrects its running variance for the size of the batch divides by zero when a batch has one value for
each channel, and what it remembers is not a number (FluxML/Flux.jl pull request 2716).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class RunningNorm(nn.Module):
    """Uses what it remembers, as a mixture of the batch and the past."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.ones(channels))
        self.gain = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        count = x.shape[0]
        mean = x.mean(0)
        var = (x - mean).square().sum(0) / (count - 1) if count > 1 else (x - mean).square().sum(0) / torch.zeros(())
        with torch.no_grad():
            self.mean.lerp_(mean, 0.1)
            self.var.lerp_(var, 0.1)
        return (x - self.mean) / (self.var + 1e-5).sqrt() * self.gain + self.shift


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, every = knobs.pick(12, 16), knobs.randint(9, 16)
    model = kit.named(dense=nn.Linear(5, width), norm=RunningNorm(width), act=nn.ReLU(), out=nn.Linear(width, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    teacher = torch.randn(5, 1)
    batches = []
    for number in range(50):
        last = number % (every + 1) == every
        x = torch.randn((2 if repaired else 1) if last else 24, 5)
        batches.append((x, x @ teacher))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("batch-statistics", "division-by-zero"), ("forward",), ("norm",), every),
    )
