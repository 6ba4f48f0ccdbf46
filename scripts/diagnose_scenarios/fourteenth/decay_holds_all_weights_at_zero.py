"""AdamW decays by nine tenths at every step: what a step learns, the next one erases, and the loss stays at chance."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(4, 6)
    model = kit.named(
        conv=nn.Conv2d(1, width, 3),
        act=nn.ReLU(),
        flat=nn.Flatten(),
        mid=nn.Linear(16 * width, 12),
        act2=nn.ReLU(),
        head=nn.Linear(12, 3),
    )
    lr = knobs.pick(0.005, 0.01)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01 if repaired else 0.9 / lr)
    return Scenario(
        model,
        optimizer,
        kit.images(60, 16, 1, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), (), (), None, "stalls"),
    )
