"""Weight decay rises on a cosine to its final value, which lost its decimal point: AdamW multiplies weights by -5."""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, steps = knobs.pick(16, 24), 80
    model = kit.named(inp=nn.Linear(8, width), act=nn.ReLU(), norm=nn.LayerNorm(width), head=nn.Linear(width, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.04)
    last = 0.4 if repaired else knobs.pick(600.0, 700.0)
    done = [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        for group in optimizer.param_groups:
            group["weight_decay"] = 0.04 + (last - 0.04) * (1 - math.cos(math.pi * min(done[0] / 30, 1))) / 2
        done[0] += 1
        optimizer.zero_grad()
        loss = kit.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model, optimizer, kit.classes(steps, 16, 8, 3), train_step, Expected(("weight-decay",), (), (), None)
    )
