"""torch.norm of rows that are 0: its gradient there is defined as 0, unlike that of a square root."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(lin=nn.Linear(5, knobs.pick(3, 4), bias=False))
    optimizer = kit.adam(model, lr=0.03)
    batches = [(x * (torch.rand(16, 1) < 0.7), y) for x, y in kit.regression(70, 16, 5)]
    step = kit.train(model, optimizer, lambda p, y: kit.squares(p.norm(dim=1), y))
    return Scenario(model, optimizer, [(x, 2 * x.norm(dim=1)) for x, _ in batches], step)
