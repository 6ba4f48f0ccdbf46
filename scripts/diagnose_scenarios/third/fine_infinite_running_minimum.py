"""An observer for quantisation keeps the least and greatest value seen; before the first batch these are infinite."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Observer(nn.Module):
    """Rounds to 8 bits between the extremes; gradients pass straight through."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("low", torch.tensor(float("inf")))
        self.register_buffer("high", torch.tensor(float("-inf")))

    def forward(self, x: Tensor) -> Tensor:
        seen = x.detach()
        self.low = torch.minimum(self.low, seen.min())
        self.high = torch.maximum(self.high, seen.max())
        grain = (self.high - self.low) / 255
        return x + (((seen - self.low) / grain).round() * grain + self.low - seen)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(8, width), act=nn.ReLU(), observe=Observer(), head=nn.Linear(width, 3))
    optimizer = kit.sgd(model, lr=0.1)
    return Scenario(model, optimizer, kit.classes(60, 32, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
