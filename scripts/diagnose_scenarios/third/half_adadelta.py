"""Adadelta on float16 weights with an eps of 1e-8: both of its square roots are zero, and so is their quotient not."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(conv=nn.Conv1d(2, width, 3), act=nn.ReLU(), flat=nn.Flatten(), head=nn.Linear(width * 6, 3))
    model.half()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0, eps=1e-4 if repaired else 1e-8)
    patterns = torch.randn(3, 2, 8)
    labels = [torch.randint(3, (16,)) for _ in range(60)]
    batches = [(patterns[y] + 0.4 * torch.randn(16, 2, 8), y) for y in labels]
    for x, _ in batches:
        x[:, 1, :] = 0.0
    return Scenario(
        model,
        optimizer,
        [(x.half(), y) for x, y in batches],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), ("optimizer",)),
    )
