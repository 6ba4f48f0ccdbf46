"""The pictures that a net reads with attention are divided by 255 when they are loaded and once more before they are
fed; there is next to nothing left in them (pkmital/pycadl pull request 5).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size, kinds = knobs.pick(5, 6), 3
    model = kit.named(
        read=nn.Linear(size * size, 24),
        act=nn.Tanh(),
        write=nn.Linear(24, 24),
        act2=nn.Tanh(),
        out=nn.Linear(24, kinds),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    patterns = 255 * torch.rand(kinds, size * size)
    batches = []
    for _ in range(60):
        y = torch.randint(kinds, (32,))
        pixels = (patterns[y] + 20 * torch.randn(32, size * size)).clamp(0, 255) / 255
        batches.append((pixels if repaired else pixels / 255, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("input-scale",), ("data",), (), 0, "stalls"),
    )
