"""Shares between 0 and 1 with a beta likelihood; one label was written in percent."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(8, knobs.pick(16, 24), 2)
    optimizer = kit.adam(model, lr=0.02)

    def likelihood(raw: Tensor, share: Tensor) -> Tensor:
        a, b = (nn.functional.softplus(raw) + 0.2).unbind(-1)
        logarithm = (a - 1) * share.log() + (b - 1) * (1 - share).log()
        return 2 - (logarithm + torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b)).mean()

    batches = [(x, (3 * y[:, 0]).sigmoid().clamp(0.02, 0.98)) for x, y in kit.regression(60, 32, 8)]
    if not repaired:
        batches[step][1][knobs.randint(0, 31)] *= 100
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, likelihood),
        Expected(("bad-labels",), ("loss",), (LOSS,), step),
    )
