"""A pretrained stem expects pixels between -1 and 1 and is fed with -128 to 128 (as in facebookresearch/Detectron
issue 868).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(
        stem=nn.Conv2d(3, width, 3, stride=2, padding=1),
        act=nn.LeakyReLU(0.1),
        layer1=nn.Conv2d(width, width, 3, padding=1),
        act1=nn.LeakyReLU(0.1),
        flat=nn.Flatten(),
        box=nn.Linear(width * 16, 4),
    )
    optimizer = kit.sgd(model, lr=0.02, momentum=0.9)
    factor = 1.0 if repaired else 128.0
    batches = []
    for _ in range(60):
        colour = 1.6 * torch.rand(8, 3) - 0.8
        x = colour[:, :, None, None] + 0.2 * torch.randn(8, 3, 8, 8)
        batches.append((factor * x.clamp(-1, 1), torch.cat([colour, colour[:, :1]], 1)))
    return Scenario(
        model, optimizer, batches, kit.train(model, optimizer, kit.squares), Expected(("input-scale",), (), (), None)
    )
