"""GradScaler starts far too high and skips its first dozen steps, as it should, on a net with clipping."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(4, 6)
    model = kit.named(conv=nn.Conv2d(1, width, 3), act=nn.ReLU(), flat=nn.Flatten(), head=nn.Linear(16 * width, 3))
    optimizer, scaler = kit.sgd(model, lr=0.1), kit.new_scaler(2.0 ** knobs.pick(30, 34))
    step = kit.train(model, optimizer, kit.cross_entropy, scaler, torch.float16, clip=2.0)
    return Scenario(model, optimizer, kit.images(80, 16, 1, 6, 3), step, scaler=scaler)
