"""The rate was divided by the number of samples once more: at 1e-9 nothing moves."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, 16), norm=nn.LayerNorm(16), act=nn.GELU(), head=nn.Linear(16, knobs.pick(3, 4)))
    rate = 0.01 if repaired else knobs.pick(1e-9, 3e-9)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, model.head.out_features),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("learning-rate",), (), (), None, "stalls"),
    )
