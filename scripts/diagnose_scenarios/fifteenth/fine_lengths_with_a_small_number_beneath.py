"""Distances between points, some of them nought, are roots with a small number beneath, and every slope is finite."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(2, 24), act=nn.SiLU(), out=nn.Linear(24, 3, bias=False))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def stress(z: Tensor, wanted: Tensor) -> Tensor:
        apart = ((z[:, None] - z).square().sum(-1) + 1e-9).sqrt()
        return (apart - wanted).square().mean()

    batches = []
    for x in torch.randn(60, 20, 2):
        x[knobs.randint(1, 19)] = x[0]
        batches.append((x, 2 * torch.cdist(x, x)))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, stress))
