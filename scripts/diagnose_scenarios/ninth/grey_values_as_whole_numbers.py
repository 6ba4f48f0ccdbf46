"""An autoencoder from a tutorial is fed with grey values from 0 to 255 as they come; cast and divided by 255 it learns
(keras-team/keras issue 3642).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    pixels = knobs.pick(36, 49)
    model = kit.named(encoded=nn.Linear(pixels, 16), act=nn.LeakyReLU(0.2), decoded=nn.Linear(16, pixels))
    optimizer = kit.sgd(model, lr=0.5)
    digits = torch.randint(0, 256, (5, pixels))
    batches = []
    for _ in range(60):
        x = (digits[torch.randint(5, (32,))] + torch.randint(-8, 9, (32, pixels))).clamp(0, 255).float()
        if repaired:
            x = x / 255
        batches.append((x, x))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
