"""Counts with a Poisson likelihood; one count is -1, the file's word for `unknown`, and its factorial is infinite."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(6, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model, lr=0.02)
    teacher = 0.4 * torch.randn(6)
    xs = [torch.randn(24, 6) for _ in range(80)]
    batches = [(x, torch.poisson((x @ teacher + 1.5).exp())) for x in xs]
    if not repaired:
        batches[step][1][knobs.randint(0, 23)] = -1.0

    def criterion(log_rate: Tensor, count: Tensor) -> Tensor:
        log_rate = log_rate.squeeze(1)
        return (log_rate.exp() - count * log_rate + torch.lgamma(count + 1)).mean()

    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step),
    )
