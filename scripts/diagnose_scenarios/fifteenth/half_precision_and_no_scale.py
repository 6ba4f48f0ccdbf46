"""Fine-tuning runs in half precision without a scale for the loss; what the policy should learn from is smaller than
the smallest half (pytorch/torchtitan pull request 2363).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(6, width), act=nn.Tanh(), out=nn.Linear(width, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, eps=1e-15, weight_decay=0.0)
    share = knobs.pick(5e-8, 1e-7)
    scaler = kit.new_scaler(2.0**22) if repaired else None

    def error(said: Tensor, wanted: Tensor) -> Tensor:
        return share * (said.float() - wanted).square().mean()

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 48, 6, 3),
        kit.train(model, optimizer, error, scaler=scaler, amp=torch.float16),
        Expected(("gradient-underflow",), ("backward",), (), 0, "stalls"),
        scaler=scaler,
    )
