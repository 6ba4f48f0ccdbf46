"""Products of two float16 branches reach about 50000 in every step, below the limit, and are normalised after it."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Gated(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.left = nn.Linear(6, width)
        self.right = nn.Linear(6, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.left(x) * self.right(x)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(gate=Gated(width), norm=nn.LayerNorm(width), head=nn.Linear(width, 1))
    with torch.no_grad():
        model.gate.left.bias.fill_(knobs.pick(220.0, 225.0))
        model.gate.right.bias.fill_(221.0)
    model.gate.requires_grad_(False)
    optimizer = torch.optim.Adam([*model.norm.parameters(), *model.head.parameters()], lr=0.03)
    return Scenario(
        model,
        optimizer,
        [(x, y + 1) for x, y in kit.regression(70, 24, 6)],
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
    )
