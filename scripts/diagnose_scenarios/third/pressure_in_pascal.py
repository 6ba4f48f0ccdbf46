"""A weather table's pressure in pascal, about 101325, into a net under autocast to float16."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(6, width), act=nn.GELU(), head=nn.Linear(width, 3))
    optimizer = kit.adam(model, lr=0.02)
    column, scaler = knobs.randint(0, 5), kit.new_scaler(2.0**8)
    batches = kit.classes(60, 16, 6, 3)
    if not repaired:
        for x, _ in batches:
            x[:, column] = 101325 + 900 * x[:, column]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16, scaler=scaler),
        Expected(("input-scale",), ("data", "forward"), ("inp",)),
        scaler=scaler,
    )
