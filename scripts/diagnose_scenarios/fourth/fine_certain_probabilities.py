"""Binary cross-entropy on probabilities that reach exactly 0 and 1; torch holds their logarithms at -100."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    with torch.no_grad():
        model.head.weight.mul_(150)
    optimizer = kit.adam(model, lr=0.05)
    batches = [(2 * x, (y > 0).float()) for x, y in kit.regression(80, 64, 8)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda scores, y: nn.functional.binary_cross_entropy(scores.sigmoid(), y)),
    )
