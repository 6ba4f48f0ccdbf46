"""Float16 activations between 50000 and 64000, scaled down by the next layer: large and finite."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Shrink(nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return (x - 57000.0) / self.by


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(lift=nn.Linear(8, width), shrink=Shrink(2000.0), act=nn.Tanh(), head=nn.Linear(width, 1))
    with torch.no_grad():
        model.lift.weight.mul_(knobs.pick(2500.0, 3000.0)).clamp_(-900, 900)
        model.lift.bias.fill_(57000.0)
    model.lift.requires_grad_(False)
    optimizer = torch.optim.Adam(model.head.parameters(), lr=0.05)
    batches = [(x.clamp(-0.9, 0.9), y) for x, y in kit.regression(60, 16, 8)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares, amp=torch.float16))
