"""A Gaussian likelihood of targets with little noise: the loss passes zero and goes on falling, as it may."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(6, knobs.pick(16, 24), 2)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(out: Tensor, y: Tensor) -> Tensor:
        log_var = out[:, 1:].clamp(-10, 5)
        return ((out[:, :1] - y).square() / log_var.exp() + log_var).mean()

    return Scenario(
        model,
        optimizer,
        [(x, 0.1 * y) for x, y in kit.regression(80, 32, 6)],
        kit.train(model, optimizer, criterion, clip=5.0),
    )
