"""Autocast to float16 and no scaler: a bounded cosine term with a small weight has gradients below the smallest
float16 (engichang1467/Open-Rig3R issue 35).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    weight = knobs.pick(1e-8, 2e-8)
    model = kit.named(inp=nn.Linear(6, 24), act=nn.GELU(), rays=nn.Linear(24, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, eps=1e-15)
    scaler = kit.new_scaler(2.0**24) if repaired else None
    turn = torch.randn(6, 3)

    def criterion(found: Tensor, wanted: Tensor) -> Tensor:
        return weight * (1 - nn.functional.cosine_similarity(found.float(), wanted, dim=-1)).mean()

    xs = [torch.randn(64, 6) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(x, x @ turn) for x in xs],
        kit.train(model, optimizer, criterion, scaler=scaler, amp=torch.float16),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
        scaler=scaler,
    )
