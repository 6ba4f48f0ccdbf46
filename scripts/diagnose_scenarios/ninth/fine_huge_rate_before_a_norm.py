"""Layers in front of batch norms do not mind their length: at a rate of several units they grow in the first steps and
then turn ever more slowly; only the last layer has a small rate.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    body = kit.named(
        fc1=nn.Linear(10, width, bias=False),
        norm1=nn.BatchNorm1d(width, affine=False),
        act1=nn.ReLU(),
        fc2=nn.Linear(width, width, bias=False),
        norm2=nn.BatchNorm1d(width, affine=False),
        act2=nn.ReLU(),
    )
    model = kit.named(body=body, head=nn.Linear(width, 4))
    optimizer = torch.optim.SGD(
        [
            {"params": body.parameters(), "lr": knobs.pick(4.0, 6.0)},
            {"params": model.head.parameters(), "lr": 0.1},
        ],
        lr=0.1,
    )
    return Scenario(model, optimizer, kit.classes(70, 64, 10, 4), kit.train(model, optimizer, kit.cross_entropy))
