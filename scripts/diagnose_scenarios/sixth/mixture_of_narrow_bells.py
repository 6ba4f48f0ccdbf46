"""A mixture density net adds up densities and takes the logarithm: for a target far from every bell all of them are 0
(keras-team/keras issue 1061).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, bells = knobs.step(), 3
    model = kit.named(hidden=nn.Linear(1, knobs.pick(16, 24)), act=nn.Tanh(), params=nn.LazyLinear(3 * bells))
    model(torch.zeros(1, 1))
    optimizer = kit.adam(model, lr=0.02)

    def likelihood(params: Tensor, target: Tensor) -> Tensor:
        weight, mean, spread = params.chunk(3, 1)
        spread = 0.2 + nn.functional.softplus(spread)
        distance = -0.5 * ((target - mean) / spread).square() - spread.log()
        if repaired:
            return -(weight.log_softmax(1) + distance).logsumexp(1).mean()
        return -(weight.softmax(1) * distance.exp()).sum(1).log().mean()

    batches = []
    for number in range(80):
        x = torch.randn(32, 1)
        y = (2 * x).sin() + 0.1 * torch.randn(32, 1)
        if number == step:
            y[knobs.randint(0, 31)] = 40.0
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, likelihood, clip=5.0),
        Expected(("underflow",), ("loss",), (LOSS,), step),
    )
