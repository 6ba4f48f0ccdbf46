"""In a net that determines the relevance of its weights, the logarithm of each weight's noise begins at +9 where -9
was meant; every pass draws outputs in the hundreds (HolyBayes/pytorch_ard issue 2).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class LinearArd(nn.Module):
    def __init__(self, inputs: int, outputs: int, start: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.log_sigma2 = nn.Parameter(torch.full((outputs, inputs), start))

    def forward(self, x: Tensor) -> Tensor:
        mean = nn.functional.linear(x, self.weight, self.bias)
        deviation = (nn.functional.linear(x.square(), self.log_sigma2.exp()) + 1e-8).sqrt()
        return mean + deviation * torch.randn_like(mean)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    start = -9.0 if repaired else knobs.pick(9.0, 10.0)
    width = knobs.pick(16, 20)
    model = kit.named(
        ard1=LinearArd(8, width, start),
        act1=nn.LeakyReLU(0.1),
        ard2=LinearArd(width, width, start),
        act2=nn.LeakyReLU(0.1),
        ard3=LinearArd(width, 1, start),
    )
    optimizer = kit.sgd(model, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), (), (), None),
    )
