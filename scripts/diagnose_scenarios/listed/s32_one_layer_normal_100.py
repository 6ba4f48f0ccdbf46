"""One layer initialised with N(0, 100) overflows float16 at the first step."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(32, 48)
    layers = {f"fc{number}": nn.Linear(8 if number == 1 else width, width) for number in range(1, 5)}
    model = kit.named(**layers, norm=nn.LayerNorm(width), head=nn.Linear(width, 1))
    with torch.no_grad():
        model.fc1.weight.mul_(knobs.pick(40, 60))
        model.fc2.weight.mul_(10)
        if not repaired:
            model.fc3.weight.normal_(0, 100)
    optimizer = kit.adam(model, lr=0.01)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 8),
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("initialisation",), ("forward",), ("fc3",)),
    )
