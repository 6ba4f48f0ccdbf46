"""The layer norm of one block returns infinity once, in float32; the same call is right before and after."""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step, place = knobs.pick(10, 14), knobs.step(), knobs.pick(0, 1, 2)
    model = kit.named(
        inp=nn.Linear(6, width), blocks=nn.Sequential(*[Block(width) for _ in range(3)]), head=nn.Linear(width, 4)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
    row = knobs.randint(0, 11)
    bad = Device(["native_layer_norm"], put(math.inf, (row, 2)), dtypes=SINGLE, calls=[3 * step + place + 1])
    return Scenario(
        model,
        optimizer,
        kit.classes(40, 12, 6, 4),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), (f"blocks.{place}.norm",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
