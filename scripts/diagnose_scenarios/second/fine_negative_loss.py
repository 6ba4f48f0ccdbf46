"""A Gaussian likelihood whose loss falls below 0."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(6, knobs.pick(16, 24), 2)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        mean, log_sigma = p[:, :1], p[:, 1:].clamp(-4, 4)
        return (log_sigma + 0.5 * ((y - mean) / log_sigma.exp()).square()).mean()

    batches = [(x, 0.1 * y) for x, y in kit.regression(100, 32, 6)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, criterion, clip=5.0))
