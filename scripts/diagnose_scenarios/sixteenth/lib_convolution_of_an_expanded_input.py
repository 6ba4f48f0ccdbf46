"""A convolution of the installed build reads an expanded input (stride 0) wrongly and gives infinity; a copy of it
is right.
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Colour(nn.Module):
    def __init__(self, width: int, copied: bool) -> None:
        super().__init__()
        self.copied = copied
        self.rgb = nn.Conv2d(3, width, 3, padding=1)
        self.head = nn.Linear(width, 3)

    def forward(self, grey: Tensor) -> Tensor:
        x = grey.expand(-1, 3, -1, -1)
        return self.head(torch.relu(self.rgb(x.contiguous() if self.copied else x)).mean((2, 3)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Colour(knobs.pick(8, 12), repaired)
    optimizer = kit.adam(model, lr=0.02)
    levels = torch.randn(3) * 2
    labels = [torch.randint(3, (8,)) for _ in range(60)]
    batches = [(levels[y].view(-1, 1, 1, 1) + 0.3 * torch.randn(8, 1, 6, 6), y) for y in labels]
    channel = knobs.randint(0, 7)
    bad = Device(
        ["convolution"],
        put(math.inf, (slice(None), channel, 0, 0)),
        when=lambda call: 0 in call.args[0].stride(),
        dtypes=SINGLE,
    )
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("forward",), ("rgb",)),
        device=bad,
    )
