"""A soft F1 loss meets a batch in which nothing is positive: recall is zero over zero."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, smooth = knobs.step(), 1e-3 if repaired else 0.0
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model, lr=0.03)
    teacher = torch.randn(8)

    def criterion(logits: Tensor, y: Tensor) -> Tensor:
        p = logits.squeeze(1).sigmoid()
        hits = (p * y).sum()
        recall, precision = (hits + smooth) / (y.sum() + smooth), hits / p.sum()
        return 1 - 2 * precision * recall / (precision + recall)

    xs = [torch.randn(24, 8) for _ in range(60)]
    xs[step] -= 5 * teacher / teacher.norm()
    batches = [(x, (x @ teacher > 0.5).float()) for x in xs]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
