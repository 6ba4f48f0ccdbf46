"""A router of four experts rarely or never picks some of them: their gradients are None or zero, and that is sound."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Experts(nn.Module):
    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.router = nn.Linear(width, count)
        self.experts = nn.ModuleList([nn.Linear(width, width) for _ in range(count)])
        with torch.no_grad():
            self.router.bias[-1] = -50.0

    def forward(self, x: Tensor) -> Tensor:
        chance = self.router(x).softmax(-1)
        best = chance.argmax(-1)
        out = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            rows = (best == i).nonzero()[:, 0]
            if len(rows):
                out = out.index_add(0, rows, chance[rows, i, None] * expert(x[rows]))
        return x + out


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(inp=nn.Linear(5, width), moe=Experts(width, 4), head=nn.Linear(width, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    return Scenario(model, optimizer, kit.regression(60, 24, 5, 2), kit.train(model, optimizer, kit.squares))
