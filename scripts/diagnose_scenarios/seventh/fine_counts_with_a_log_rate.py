"""Counts up to thousands under a Poisson likelihood whose rate is an exponential, with a start near their mean."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(6, knobs.pick(16, 24), 1)
    level = knobs.pick(5.0, 6.0)
    with torch.no_grad():
        model.head.bias.fill_(level)
    optimizer = kit.adam(model, lr=0.005)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        """Above that of the best rate, so that zero is the goal."""
        best = y.clamp(min=1)
        return (p.exp() - y * p - (best - y * best.log())).mean() / 100

    batches = [(x, torch.poisson((level + 0.5 * y).exp())) for x, y in kit.regression(80, 32, 6)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, criterion, clip=5.0))
