"""Rare batches have targets thirty times larger; clipping by norm holds their gradients, the loss jumps and comes
back.
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    every = knobs.pick(9, 11)
    model = kit.mlp(6, knobs.pick(12, 18), 1)
    optimizer = kit.sgd(model, lr=0.1)
    batches = [(x, y * 30 if i % every == every - 1 else y) for i, (x, y) in enumerate(kit.regression(66, 16, 6))]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, y: nn.functional.smooth_l1_loss(p, y), clip=0.5),
        learns=False,
    )
