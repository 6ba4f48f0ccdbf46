"""A convolutional net under brain-float autocast without any scale; a brain float reaches as far as a single one."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(conv=nn.Conv2d(1, width, 3, padding=1), norm=nn.GroupNorm(2, width), act=nn.ReLU())
    model.add_module("pool", nn.AdaptiveMaxPool2d(2))
    model.add_module("flat", nn.Flatten())
    model.add_module("out", nn.Linear(4 * width, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    return Scenario(
        model,
        optimizer,
        kit.images(40, 16, 1, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16),
    )
