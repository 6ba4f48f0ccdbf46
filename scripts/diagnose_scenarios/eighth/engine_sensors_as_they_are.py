"""Sensor columns of an engine go into the net in their own units, speeds of thousands beside ratios, and the loss is
NaN after a few steps (austineaero/Remaining-Useful-Life-RUL-Estimation issue 19).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        flat=nn.Flatten(),
        fc1=nn.Linear(6 * 5, 32),
        act1=nn.ReLU(),
        fc2=nn.Linear(32, 16),
        act2=nn.ReLU(),
        head=nn.Linear(16, 1),
    )
    optimizer = kit.sgd(model, lr=0.02)
    centre = torch.tensor([640.0, 1585.0, knobs.pick(9060.0, 8130.0), 0.03, 390.0])
    spread = torch.tensor([0.5, 6.0, 22.0, 0.001, 1.5])
    batches = []
    for _ in range(60):
        wear = torch.rand(32, 1, 1)
        x = centre + spread * (2 * wear - 1 + 0.2 * torch.randn(32, 6, 5))
        batches.append(((x - centre) / spread if repaired else x, 1 - wear[:, :, 0]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
