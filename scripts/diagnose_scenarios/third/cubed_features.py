"""Third-order crosses of a recommender: the cube of an ordinary activation passes 65504 in float16."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Cross(nn.Module):
    def __init__(self, gain: float, single: bool) -> None:
        super().__init__()
        self.gain, self.single = gain, single

    def forward(self, h: Tensor) -> Tensor:
        h = self.gain * (h.float() if self.single else h)
        return h * h * h


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(24, 32)
    model = kit.named(
        lift=nn.Linear(8, width),
        cross=Cross(knobs.pick(50.0, 60.0), repaired),
        norm=nn.LayerNorm(width),
        head=nn.Linear(width, 3),
    )
    optimizer = kit.adam(model, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("cross",)),
    )
