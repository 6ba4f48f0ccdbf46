"""Most units of a wide layer are off from the start because of a low bias, and have no gradient at all; those that are
left learn the task.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(64, 96)
    model = kit.named(inp=nn.Linear(6, width), act=nn.ReLU(), out=nn.Linear(width, 3))
    with torch.no_grad():
        model.inp.bias[width // 4 :] = -50.0
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return Scenario(model, optimizer, kit.classes(60, 32, 6, 3), kit.train(model, optimizer, kit.cross_entropy))
