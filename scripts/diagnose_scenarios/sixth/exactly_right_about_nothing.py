"""The symmetric percentage error divides by the sum of both sizes; where nothing was sold and nothing is forecast it
is 0 over 0 (uber/causalml pull request 1050).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    """The net has no biases and ends in a rectifier: no features, no sales."""
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(16, 24)
    model = kit.named(
        inp=nn.Linear(7, width, bias=False), act=nn.ReLU(), out=nn.Linear(width, 1, bias=False), floor=nn.ReLU()
    )
    with torch.no_grad():
        model.out.weight.abs_()
    optimizer = kit.adam(model, lr=0.01)

    def smape(forecast: Tensor, sales: Tensor) -> Tensor:
        size = forecast.abs() + sales.abs()
        if repaired:
            size = size.clamp(min=1e-6)
        return (2 * (forecast - sales).abs() / size).mean()

    weights = torch.rand(7, 1)
    batches = []
    for number in range(60):
        x = torch.rand(32, 7)
        if number == step:
            x[5] = 0
        batches.append((x, 3 * x @ weights))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, smape),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
