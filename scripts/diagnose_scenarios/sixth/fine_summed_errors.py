"""Errors are summed over a batch, not averaged: the loss is in the thousands, and the rate is small to match
(pytorch/pytorch issue 31016, with a rate that fits).
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 4)
    optimizer = kit.sgd(model, lr=2e-5, momentum=0.9)

    def summed(prediction: Tensor, target: Tensor) -> Tensor:
        return 5 * (prediction - target).square().sum()

    batches = [(x, 3 * y) for x, y in kit.regression(60, 256, 8, 4)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, summed))
