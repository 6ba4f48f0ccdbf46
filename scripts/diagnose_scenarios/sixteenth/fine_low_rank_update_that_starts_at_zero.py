"""A frozen layer with a low-rank update whose second factor starts at zero: at first one factor gets no gradient at
all.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class LowRank(nn.Module):
    def __init__(self, size: int, rank: int) -> None:
        super().__init__()
        self.base = nn.Linear(size, size).requires_grad_(False)
        self.down = nn.Linear(size, rank, bias=False)
        self.up = nn.Linear(rank, size, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + 4 * self.up(self.down(x))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    size = knobs.pick(8, 10)
    model = kit.named(lora=LowRank(size, 3), act=nn.Tanh(), head=nn.Linear(size, 2).requires_grad_(False))
    optimizer = torch.optim.AdamW([*model.lora.down.parameters(), *model.lora.up.parameters()], lr=0.03)
    return Scenario(
        model,
        optimizer,
        kit.regression(80, 24, size, 2),
        kit.train(model, optimizer, kit.squares),
    )
