"""A projection was allocated and never filled: some of its weights are what the memory held, near the largest float."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


class Projection(nn.Module):
    def __init__(self, inputs: int, outputs: int, garbage: float) -> None:
        super().__init__()
        weight = 0.2 * torch.randn(outputs, inputs)
        if garbage:
            weight[1::3] = garbage
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 18)
    model = kit.named(
        inp=nn.Linear(6, width),
        act=nn.GELU(),
        proj=Projection(width, 9, 0.0 if repaired else 2.9e38),
        act2=nn.LeakyReLU(),
        head=nn.Linear(9, 1),
    )
    optimizer = kit.adam(model, lr=0.02)
    batches = [(6 * x, y) for x, y in kit.regression(60, 32, 6)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), ("forward",), ("proj",)),
    )
