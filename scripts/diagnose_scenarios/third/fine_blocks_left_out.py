"""Whole blocks are skipped at random: in many steps a block has no gradient, or one of zeros."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int, keep: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.lin = nn.Linear(width, width)
        self.keep = keep

    def forward(self, x: Tensor) -> Tensor:
        return x if torch.rand(()) > self.keep else x + self.lin(self.norm(x)).relu()


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width, keep = knobs.pick(16, 24), knobs.pick(0.3, 0.4)
    model = kit.named(inp=nn.Linear(8, width))
    for number in range(4):
        model.add_module(f"block{number}", Block(width, keep))
    model.add_module("head", nn.Linear(width, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    return Scenario(model, optimizer, kit.classes(80, 32, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
