"""A net that steers a model car is built in float16 with mean squared error; under Adam the loss is NaN, under plain
gradient descent or in float32 it is not: the optimizer divides by the root of 0 plus an eps of 0 (keras-team/keras
issue 11860).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(
        conv1=nn.Conv2d(1, width, 3, stride=2),
        act1=nn.ReLU(),
        conv2=nn.Conv2d(width, width, 3),
        act2=nn.ReLU(),
        flat=nn.Flatten(),
        steer=nn.Linear(width * 9, 1),
    )
    nn.init.constant_(model.conv1.bias[:2].data, -20.0)  # two filters that never see anything
    model = model.half()
    optimizer = kit.adam(model, lr=0.003, eps=1e-3 if repaired else 1e-8)
    column = torch.arange(11.0)
    batches = []
    for _ in range(50):
        angle = torch.rand(16, 1) * 2 - 1
        road = torch.exp(-((column - 5 - 4 * angle).square()) / 4)[:, None, None].expand(16, 1, 11, 11)
        batches.append(((road + 0.05 * torch.randn(16, 1, 11, 11)).half(), angle))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps",), ("optimizer",), ("conv1", "conv2")),
    )
