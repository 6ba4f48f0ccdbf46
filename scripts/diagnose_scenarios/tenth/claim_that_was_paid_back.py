"""Insurance claims are fitted by a Tweedie deviance, whose powers of the claim are not defined below zero; one claim is
negative and the deviance is no number (Evovest/EvoTrees.jl pull request 385).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, power = knobs.randint(5, 15), 1.5
    model = kit.named(
        inp=nn.Linear(6, knobs.pick(16, 24)), act=nn.SELU(), head=nn.LazyLinear(1), positive=nn.Softplus()
    )
    model(torch.zeros(2, 6))
    optimizer = kit.adam(model, lr=0.02)

    def deviance(rate: Tensor, claim: Tensor) -> Tensor:
        own = claim ** (2 - power) / ((1 - power) * (2 - power))
        mixed = claim * rate ** (1 - power) / (1 - power)
        return 2 * (own - mixed + rate ** (2 - power) / (2 - power)).mean()

    batches = []
    for number in range(60):
        x = torch.randn(64, 6)
        claim = torch.poisson((x[:, :1]).exp()) * (0.5 + torch.rand(64, 1))
        if number == step:
            claim[knobs.randint(0, 63)] = 0.0 if repaired else -knobs.uniform(0.5, 4.0)
        batches.append((x, claim))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, deviance),
        Expected(("bad-labels",), ("loss",), (LOSS,), step),
    )
