"""Directions of camera rays under autocast to float16 without a GradScaler: the cosine's gradient, a mean over all
pixels with a tiny weight, rounds to 0 (engichang1467/Open-Rig3R issue 35).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(enc=nn.Conv2d(2, 8, 1), act=nn.ReLU(), ray=nn.Conv2d(8, 3, 1))
    with torch.no_grad():
        model.ray.weight.mul_(40)
    optimizer = kit.adam(model, lr=0.02)
    scaler = kit.new_scaler(2.0**26) if repaired else None
    weight = knobs.pick(1e-6, 1.5e-6)

    def criterion(rays: Tensor, truth: Tensor) -> Tensor:
        return weight * (1 - nn.functional.cosine_similarity(rays.float(), truth, dim=1)).mean()

    mix = torch.randn(3, 2)
    batches = []
    for _ in range(30):
        x = torch.randn(4, 2, 40, 40)
        batches.append((x, torch.einsum("oc,bchw->bohw", mix, x) + torch.tensor([0.0, 0.0, 2.0])[:, None, None]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion, scaler=scaler, amp=torch.float16),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
        scaler=scaler,
    )
