"""Targets in the thousands make losses in the millions; the net learns in their unit, and the loss falls all along."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(6, 32), act=nn.ReLU(), out=nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    unit = knobs.pick(2000.0, 3000.0)
    with torch.no_grad():
        model.out.weight.mul_(unit / 2)
    batches = [(x, unit * y + unit) for x, y in kit.regression(70, 48, 6)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares))
