"""Pictures come in another size with every batch, some of them three pixels wide; the net pools over whatever there
is and normalises inside groups.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(
        conv=nn.Conv2d(2, width, 3, padding=1),
        norm=nn.GroupNorm(2, width),
        act=nn.Mish(),
        conv2=nn.Conv2d(width, width, 3, padding=1),
        pool=nn.AdaptiveAvgPool2d(1),
        flat=nn.Flatten(),
        head=nn.Linear(width, 3),
    )
    optimizer = torch.optim.NAdam(model.parameters(), lr=0.01)
    batches = []
    for _ in range(70):
        size, y = knobs.randint(3, 12), torch.randint(3, (12,))
        stripes = torch.arange(size)[None, :] % (y[:, None] + 2) == 0
        x = stripes[:, None, None].float().expand(12, 2, size, size) + 0.1 * torch.randn(12, 2, size, size)
        batches.append((x, y))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
