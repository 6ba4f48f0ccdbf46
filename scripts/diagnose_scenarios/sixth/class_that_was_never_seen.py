"""Class weights from the effective number of samples, (1 - b) / (1 - b^n): a class with no sample at all has an
infinite one, and normalised weights are not numbers (fcakyon/balanced-loss pull request 12).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    classes = 4
    model = kit.mlp(8, knobs.pick(16, 24), classes)
    optimizer = kit.adam(model, lr=0.02)
    seen = torch.tensor([310.0, 489.0, 114.0, 0.0])

    def focal(logits: Tensor, labels: Tensor) -> Tensor:
        counts = seen.clamp(min=1) if repaired else seen
        weights = (1 - 0.999) / (1 - 0.999**counts)
        weights = weights / weights.sum() * classes
        planes = nn.functional.one_hot(labels, classes).float()
        alpha = (weights * planes).sum(1)
        share = (logits.softmax(1) * planes).sum(1)
        return (-alpha * (1 - share).square() * (logits.log_softmax(1) * planes).sum(1)).sum() / alpha.sum()

    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, classes - 1),
        kit.train(model, optimizer, focal),
        Expected(("division-by-zero",), ("loss",), (LOSS,)),
    )
