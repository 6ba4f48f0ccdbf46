"""Logarithms of amounts of which many are zero, guarded before and after: the right way to hide a logarithm."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class SafeLog(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        some = x > 0
        return torch.where(some, torch.where(some, x, torch.ones_like(x)).log(), torch.zeros_like(x))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(8, width), act=nn.ReLU(), log=SafeLog(), head=nn.Linear(width, 3))
    optimizer = kit.adam(model, lr=0.01)
    return Scenario(model, optimizer, kit.classes(100, 32, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
