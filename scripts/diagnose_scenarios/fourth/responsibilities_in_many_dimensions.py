"""Which of several centres a point belongs to, from densities that are all 0 in float32 for a point far from every
centre.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Gate(nn.Module):
    def __init__(self, count: int, inputs: int, stable: bool) -> None:
        super().__init__()
        self.centres = nn.Parameter(0.5 * torch.randn(count, inputs))
        self.stable = stable

    def forward(self, x: Tensor) -> Tensor:
        exponent = -0.5 * (x[:, None] - self.centres).square().sum(-1)
        if self.stable:
            return exponent.softmax(-1)
        density = exponent.exp()
        return density / density.sum(-1, keepdim=True)


class Net(nn.Module):
    def __init__(self, inputs: int, count: int, stable: bool) -> None:
        super().__init__()
        self.gate = Gate(count, inputs, stable)
        self.experts = nn.Linear(inputs, count)

    def forward(self, x: Tensor) -> Tensor:
        return (self.gate(x) * self.experts(x)).sum(-1, keepdim=True)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs, step = knobs.pick(32, 40), knobs.step()
    model = Net(inputs, 3, repaired)
    optimizer = kit.adam(model, lr=0.03)
    batches = []
    for number, (x, y) in enumerate(kit.regression(60, 32, inputs)):
        if number == step:
            x[4] = nn.functional.normalize(x[4], dim=0) * knobs.pick(24.0, 28.0)
        batches.append((x, y.clamp(-2, 2)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, t: nn.functional.smooth_l1_loss(p, t)),
        Expected(("underflow",), ("forward",), ("gate",), step),
    )
