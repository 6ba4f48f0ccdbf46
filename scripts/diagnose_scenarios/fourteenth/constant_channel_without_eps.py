"""A hand-written batch norm without an eps meets a batch in which one channel of its input is the same everywhere."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Standardise(nn.Module):
    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps, self.shift = eps, nn.Parameter(torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = x.mean(0), x.var(0, unbiased=False)
        return (x - mean) * torch.rsqrt(variance + self.eps) + self.shift


class Net(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.bn, self.hidden = Standardise(eps), nn.Linear(6, width)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.hidden(self.bn(x)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Net(knobs.pick(14, 18), 1e-5 if repaired else 0.0)
    optimizer = kit.sgd(model, lr=0.1)
    batches = kit.classes(50, 16, 6, 3)
    batches[step][0][:, knobs.randint(0, 5)] = knobs.pick(0.0, 1.0)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("bn",), step),
    )
