"""The loss scale doubles every few steps until gradients in half overflow, which costs one step and is as it should
be.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 20)
    model = kit.named(inp=nn.Linear(8, width), act=nn.ReLU(), out=nn.Linear(width, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scaler = kit.new_scaler(2.0**14, growth_interval=knobs.pick(2, 3))
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, scaler=scaler, amp=torch.float16),
        scaler=scaler,
    )
