"""A Poisson deviance takes the logarithm of the counted target, and one count was corrected below zero."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(inp=nn.Linear(7, knobs.pick(14, 18)), act=nn.Tanh(), head=nn.LazyLinear(1), rate=nn.Softplus())
    xs = [torch.randn(20, 7) for _ in range(70)]
    model(xs[0])
    optimizer = kit.adam(model, lr=0.03)

    def deviance(rate: Tensor, count: Tensor) -> Tensor:
        return (2 * (count * torch.log((count + 1e-4) / rate) - (count - rate))).mean()

    batches = [(x, torch.poisson(torch.exp(x[:, :1].clamp(-1, 2)))) for x in xs]
    if not repaired:
        batches[step][1][knobs.randint(0, 19)] = -float(knobs.randint(1, 3))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, deviance),
        Expected(("bad-labels",), ("loss",), (LOSS,), step),
    )
