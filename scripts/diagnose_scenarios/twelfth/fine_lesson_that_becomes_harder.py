"""The noise on the pictures grows from step to step, and the loss with it, though the net gets better."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(10, knobs.pick(20, 24)), act=nn.ReLU(), out=nn.LazyLinear(10))
    model(torch.zeros(1, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
    basis = torch.randn(3, 10)
    batches = []
    for number in range(60):
        clean = torch.randn(24, 3) @ basis / 2
        batches.append((clean + 0.1 * number * torch.randn(24, 10), clean))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares), learns=False)
