"""A speed is taken as exp of half the logarithm of its squares: right, 0, for a car at rest, with a slope of 0 over
0.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Speed(nn.Module):
    def __init__(self, small: float) -> None:
        super().__init__()
        self.small = small

    def forward(self, v: Tensor) -> Tensor:
        return torch.exp(0.5 * torch.log(v.square().sum(1, keepdim=True) + self.small))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(3, 5)
    model = kit.named(move=nn.Linear(4, width, bias=False), speed=Speed(1e-6 if repaired else 0.0), out=nn.Linear(1, 1))
    optimizer = kit.adam(model, lr=0.03)
    teacher = torch.randn(4, 2)
    batches = []
    for i in range(80):
        x = torch.randn(16, 4)
        if i == step:
            x[knobs.randint(0, 15)] = 0
        batches.append((x, (x @ teacher).norm(dim=1, keepdim=True)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("speed",), step),
    )
