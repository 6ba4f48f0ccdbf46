"""A mask loss averaged over all pixels, with a small weight, in float16 without a scaler: its gradients round to 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size, width = knobs.pick(24, 28), knobs.pick(6, 8)
    model = kit.named(conv=nn.Conv2d(1, width, 3, padding=1), act=nn.ReLU(), mask=nn.Conv2d(width, 1, 1))
    optimizer = kit.adam(model, lr=0.02, eps=1e-18)
    weight = knobs.pick(1e-5, 2e-5)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        return weight * nn.functional.binary_cross_entropy_with_logits(p.float(), y)

    pictures = [torch.randn(4, 1, size, size) for _ in range(50)]
    scaler = kit.new_scaler(2.0**24) if repaired else None
    return Scenario(
        model,
        optimizer,
        [(x, (x > 0).float()) for x in pictures],
        kit.train(model, optimizer, criterion, scaler=scaler, amp=torch.float16),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
        scaler=scaler,
    )
