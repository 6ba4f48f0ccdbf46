"""A student in float16 learns from a teacher at temperature 1200 without the factor of its square: gradients vanish."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count, heat = knobs.pick(4, 5), knobs.pick(1200.0, 1500.0)
    dtype = torch.float32 if repaired else torch.float16
    model = kit.mlp(8, 16, count).to(dtype)
    teacher = torch.randn(8, count) * 2
    optimizer = kit.sgd(model, lr=0.025 * heat**2)

    def criterion(logits: Tensor, wanted: Tensor) -> Tensor:
        soft, hard = (logits.double() / heat).log_softmax(1), (wanted / heat).log_softmax(1)
        return (hard.exp() * (hard - soft)).sum(1).mean()

    batches = []
    for _ in range(150):
        x = torch.randn(256, 8)
        batches.append((x.to(dtype), (x @ teacher).double()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
    )
