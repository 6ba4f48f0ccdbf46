"""A control branch joins a frozen net through convolutions that start at 0: at first nothing behind them gets a
gradient (lllyasviel/ControlNet, docs/faq.md).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Controlled(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.locked = nn.Conv2d(1, width, 3, padding=1).requires_grad_(False)
        self.out = nn.Conv2d(width, 1, 1).requires_grad_(False)
        self.zero_in = nn.Conv2d(1, 1, 1)
        self.copy = nn.Conv2d(1, width, 3, padding=1)
        self.zero_out = nn.Conv2d(width, width, 1)
        for layer in (self.zero_in, self.zero_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, fields: tuple[Tensor, Tensor]) -> Tensor:
        x, hint = fields
        return self.out(self.locked(x).relu() + self.zero_out(self.copy(x + self.zero_in(hint)).relu()))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Controlled(knobs.pick(6, 8))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.02)
    batches = []
    for _ in range(60):
        x, hint = torch.randn(4, 1, 8, 8), torch.randn(4, 1, 8, 8)
        batches.append(((x, hint), 0.5 * x + hint))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares))
