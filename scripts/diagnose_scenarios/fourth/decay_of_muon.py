"""Muon with a weight decay of 150 at a rate of 0.02: every step turns the matrices round and doubles them."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(8, width, bias=False), act=nn.LeakyReLU(0.2), head=nn.Linear(width, 2, bias=False))
    decay = 0.1 if repaired else knobs.pick(150.0, 175.0)
    optimizer = torch.optim.Muon(model.parameters(), lr=0.02, weight_decay=decay)
    return Scenario(
        model,
        optimizer,
        kit.regression(80, 32, 8, 2),
        kit.train(model, optimizer, kit.squares),
        Expected(("weight-decay",), (), (), None),
    )
