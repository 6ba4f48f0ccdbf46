"""Nine in ten rectifiers never open, and their weights' gradients are exactly zero; the others learn the task."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(80, 120)
    model = kit.named(inp=nn.Linear(8, width), act=nn.ReLU(), head=nn.Linear(width, 3))
    with torch.no_grad():
        model.inp.bias[width // 10 :] = -100.0
    optimizer = kit.adam(model, lr=0.02)
    return Scenario(model, optimizer, kit.classes(60, 32, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
