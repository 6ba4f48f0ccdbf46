"""where(d > 0, sqrt(d), 0) gives the right value at 0, but the branch not taken still hands back infinity times 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model, step = kit.mlp(5, knobs.pick(12, 16), 2), knobs.step()
    optimizer = kit.adam(model, lr=0.03)

    def criterion(points: Tensor, goal: Tensor) -> Tensor:
        squared = (points * goal[:, 2:]).square().sum(1)
        inside = torch.where(squared > 0, squared, 1.0) if repaired else squared
        length = torch.where(squared > 0, inside.sqrt(), 0.0)
        return kit.squares(length, goal[:, 0]) + 0.1 * kit.squares(points, goal[:, :2])

    batches = []
    for x, y in kit.regression(60, 16, 5, 2):
        batches.append((x, torch.cat([y.abs(), torch.ones(16, 1)], 1)))
    batches[step][1][knobs.randint(0, 15), 2] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("singular-gradient",), ("backward",), (LOSS,), step),
    )
