"""The Poisson likelihood takes the logarithm of a predicted rate that a rectifier may set to 0, while something was
counted (pytorch/pytorch pull request 3336).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(16, 24)
    model = kit.named(
        inp=nn.Linear(5, width, bias=False), act=nn.ReLU(), out=nn.Linear(width, 1, bias=False), rate=nn.ReLU()
    )
    with torch.no_grad():
        model.out.weight.abs_()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01)
    eps = 1e-8 if repaired else 0.0

    def criterion(rate: Tensor, count: Tensor) -> Tensor:
        return (rate - count * (rate + eps).log()).mean()

    weights = torch.rand(5, 1)
    batches = []
    for number in range(60):
        x = torch.rand(32, 5)
        count = torch.poisson(8 * x @ weights)
        if number == step:
            x[7], count[7] = 0, 1
        batches.append((x, count))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        # log(0) divides by 0 in its derivative: the loss is infinite and so is its slope.
        Expected(("division-by-zero", "singular-gradient"), ("loss",), (LOSS,), step),
    )
