"""Map coordinates in metres, about 400000, are handed to autocast: as float16 they are infinite before the first
product.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    east, width = knobs.pick(380000.0, 520000.0), knobs.pick(12, 16)
    model = kit.named(place=nn.Linear(2, width), act=nn.Tanh(), head=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for _ in range(60):
        near = torch.randn(16, 2)
        metres = near * 1000 + torch.tensor([east, east / 2])
        batches.append(((metres - torch.tensor([east, east / 2])) / 1000 if repaired else metres, near[:, :1].tanh()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("input-scale", "fp16-overflow"), ("data", "forward"), ("place",)),
    )
