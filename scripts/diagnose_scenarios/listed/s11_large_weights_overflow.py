"""Large weights in the middle: activations above 65504, harmless in float32, infinite in float16."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24, 32)
    middle = nn.Sequential(nn.Linear(width, width), nn.ReLU())
    model = kit.named(inp=nn.Linear(8, width), mid=middle, norm=nn.LayerNorm(width), head=nn.Linear(width, 1))
    with torch.no_grad():
        model.inp.weight.mul_(knobs.pick(200, 400))
        middle[0].weight.mul_(knobs.pick(2000, 4000))
    optimizer = kit.adam(model, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 8),
        kit.train(model, optimizer, kit.squares, amp=None if repaired else torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("mid.0",)),
    )
