"""torch.where with a root of negative numbers in the branch that is not taken (pytorch issue 187297)."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        inside = p.clamp(min=1.0) if repaired else p
        shaped = torch.where(p > 1, 2 * inside.sqrt() - 1, p)
        return kit.squares(shaped, y)

    return Scenario(
        model,
        optimizer,
        kit.regression(80, 32, 8),
        kit.train(model, optimizer, criterion),
        Expected(("singular-gradient",), ("backward", "loss"), (LOSS,)),
    )
