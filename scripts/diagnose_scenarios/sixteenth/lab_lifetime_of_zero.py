"""A Weibull likelihood takes the logarithm of lifetimes, and one device is recorded as failed at time zero."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(10, 14)
    model = kit.named(inp=nn.Linear(5, width), act=nn.Tanh(), out=nn.Linear(width, 2))
    optimizer = kit.adam(model, lr=0.02)

    def weibull(out: Tensor, time: Tensor) -> Tensor:
        scale_, shape = nn.functional.softplus(out[:, 0]) + 0.1, nn.functional.softplus(out[:, 1]) + 0.5
        ratio = time.log() - scale_.log()
        return -(shape.log() + (shape - 1) * ratio - scale_.log() - (shape * ratio).exp()).mean() + 5

    batches = []
    for i in range(50):
        x = torch.randn(16, 5)
        time = torch.exp(2 + 0.5 * x[:, 0] + 0.1 * torch.randn(16))
        if i == step and not repaired:
            time[knobs.randint(0, 15)] = 0
        batches.append((x, time))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, weibull),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step),
    )
