"""AdamW with a decay of 40 at a rate of 0.01 takes two fifths of every weight each step: the net stays at zero."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 22)
    model = kit.named(inp=nn.Linear(7, width), act=nn.GELU(), mid=nn.Linear(width, width), act2=nn.GELU())
    model.add_module("out", nn.Linear(width, 4))
    decay = 0.01 if repaired else knobs.pick(40.0, 60.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=decay)
    return Scenario(
        model,
        optimizer,
        kit.classes(70, 32, 7, 4),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), (), (), None, "stalls"),
    )
