"""A hinge loss reaches exactly 0, and so do its gradients: there is nothing left to learn."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(6, knobs.pick(12, 16), 1)
    optimizer = kit.sgd(model, lr=0.2)
    axis = torch.randn(6, 1)
    batches = []
    for _ in range(70):
        side = torch.randint(2, (24, 1)) * 2.0 - 1
        batches.append((side * axis.t() + 0.1 * torch.randn(24, 6), side))
    return Scenario(
        model, optimizer, batches, kit.train(model, optimizer, lambda p, side: (1 - p * side).relu().mean())
    )
