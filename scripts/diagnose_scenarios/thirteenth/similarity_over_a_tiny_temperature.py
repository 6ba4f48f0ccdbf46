"""Similarities of unit vectors are divided by a temperature of 1e-5 in float16: a logit of 1 becomes 100000."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Towers(nn.Module):
    def __init__(self, width: int, temperature: float) -> None:
        super().__init__()
        self.left, self.right, self.temperature = nn.Linear(8, width), nn.Linear(8, width), temperature

    def forward(self, pair: Any) -> Tensor:
        left = nn.functional.normalize(self.left(pair[0]), dim=1)
        right = nn.functional.normalize(self.right(pair[1]), dim=1)
        return left @ right.t() / self.temperature


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    temperature = 0.1 if repaired else knobs.pick(5e-6, 8e-6, 1e-5)
    body = Towers(knobs.pick(6, 10), temperature)
    with torch.no_grad():
        body.right.load_state_dict(body.left.state_dict())
    model = kit.named(towers=body)
    optimizer = kit.adam(model, lr=0.02)
    views = [torch.randn(12, 8) for _ in range(60)]
    batches = [((x, x + 0.2 * torch.randn_like(x)), torch.arange(12)) for x in views]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("towers",)),
    )
