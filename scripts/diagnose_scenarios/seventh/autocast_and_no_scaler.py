"""Autocast in float16 without a scaler: the gradients of a small loss are below what float16 holds (as in
engichang1467/Open-Rig3R issue 35).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(enc=nn.Linear(8, width), act=nn.ReLU(), ray=nn.Linear(width, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, eps=1e-16)
    weight = knobs.pick(3e-8, 6e-8)

    def cosine(p: Tensor, y: Tensor) -> Tensor:
        return weight * (1 - nn.functional.cosine_similarity(p.float(), y)).mean()

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 8, 3),
        kit.train(model, optimizer, cosine, scaler=kit.new_scaler(2.0**27) if repaired else None, amp=torch.float16),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
    )
