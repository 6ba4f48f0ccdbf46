"""The weights of a net that changes stains of tissue are drawn with a spread of two tenths instead of two hundredths,
by a slip, and the training breaks down with infinities (sophiajw/HistAuGAN pull request 4).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(20, 24)
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1)]
    for _ in range(4):
        layers += [nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, padding=1)]
    model = nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.Conv2d(width, 3, 3, padding=1))
    spread = 0.07 if repaired else 0.7
    for layer in model:
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, 0.0, spread)
            nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    stain = torch.randn(3, 3)
    batches = []
    for _ in range(30):
        tissue = torch.rand(4, 3, 6, 6)
        batches.append((tissue, torch.einsum("bchw,ck->bkhw", tissue, stain)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), (), (), None),
    )
