"""Variational layers begin with a logarithm of the variance of thirty, and the noise drowns everything (as in
HolyBayes/pytorch_ard issue 2, solved by a smaller start).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Ard(nn.Module):
    def __init__(self, inputs: int, outputs: int, log_variance: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)
        self.log_sigma2 = nn.Parameter(torch.full((outputs, inputs), log_variance))

    def forward(self, x: Tensor) -> Tensor:
        spread = (x.square() @ self.log_sigma2.exp().t() + 1e-8).sqrt()
        return x @ self.weight.t() + spread * torch.randn_like(spread)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    start = -8.0 if repaired else knobs.pick(32.0, 36.0)
    width = knobs.pick(16, 24)
    layers = {"a": Ard(6, width, start), "r": nn.ReLU(), "b": Ard(width, width, start), "s": nn.ReLU()}
    model = kit.named(**layers, c=Ard(width, 1, start))
    optimizer = kit.sgd(model, lr=0.05)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 6),
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), ("forward",), ("c",), 0),
    )
