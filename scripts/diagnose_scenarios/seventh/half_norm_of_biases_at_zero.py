"""A sparse penalty sums the roots of absolute weights, and biases begin at zero (as in pytorch/pytorch issue 44452: a
norm with p below one has no gradient there).
"""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(12, knobs.pick(16, 24), 1)
    nn.init.zeros_(model.inp.bias)
    optimizer = kit.adam(model, lr=0.01)
    strength, eps = knobs.pick(1e-4, 3e-4), 1e-6 if repaired else 0.0

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        fit = kit.squares(model(x), y)
        sparse = sum((p.abs() + eps).pow(0.5).sum() for p in model.parameters())
        loss = fit + strength * sparse
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(80, 32, 12),
        train_step,
        Expected(("singular-gradient",), ("backward",), (LOSS,), 0),
    )
