"""A mixture of experts in which an expert often sees no sample and gets no gradient."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Mixture(nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.experts = nn.ModuleList([nn.Linear(6, 1) for _ in range(count)])

    def forward(self, x: Tensor) -> Tensor:
        chosen = (x[:, 0] > 1.3).long() + 2 * (x[:, 1] > 1.6).long()
        out = torch.zeros(len(x), 1)
        for number, expert in enumerate(self.experts):
            rows = (chosen == number).nonzero()[:, 0]
            if len(rows):
                out = out.index_add(0, rows, expert(x[rows]))
        return out


def build(seed: int) -> Scenario:
    kit.Knobs(seed)
    model = Mixture(4)
    optimizer = kit.adam(model, lr=0.03)
    return Scenario(model, optimizer, kit.regression(80, 8, 6), kit.train(model, optimizer, kit.squares))
