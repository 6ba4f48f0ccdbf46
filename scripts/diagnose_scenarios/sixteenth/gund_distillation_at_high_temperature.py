"""Distillation divides float16 logits by a temperature of thousands and forgets its square: the gradient is all
zeros.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count, heat = knobs.pick(4, 6), knobs.pick(3000.0, 5000.0)
    model = kit.mlp(8, knobs.pick(24, 32), count)
    teacher = nn.Linear(8, count)
    optimizer = kit.adam(model, lr=0.01, eps=1e-12)
    back = heat**2 if repaired else 1.0

    def criterion(logits: Tensor, wanted: Tensor) -> Tensor:
        told, said = (wanted / heat).softmax(-1), (logits / heat).float().log_softmax(-1)
        return back * (told * (told.log() - said)).sum(1).mean()

    batches = []
    for _ in range(60):
        x = torch.randn(16, 8)
        with torch.no_grad():
            batches.append((x, 6 * teacher(x)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion, amp=torch.float16),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
    )
