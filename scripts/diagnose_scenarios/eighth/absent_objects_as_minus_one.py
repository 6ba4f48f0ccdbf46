"""A set with labels -1 for absent and 1 for present meets a loss that takes 0 and 1: absent objects are rewarded
without bound (durandtibo/wildcat.pytorch issue 2).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    classes = knobs.pick(5, 6)
    model = kit.named(
        inp=nn.Linear(12, 32),
        act1=nn.ReLU(),
        mid=nn.Linear(32, 32),
        act2=nn.ReLU(),
        head=nn.Linear(32, classes),
    )
    optimizer = kit.sgd(model, lr=knobs.pick(0.8, 1.0), momentum=0.9)
    teacher = torch.randn(12, classes)
    batches = []
    for _ in range(60):
        x = torch.randn(32, 12)
        signs = (x @ teacher - 2).sign()
        batches.append((x, (signs > 0).float() if repaired else signs))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.MultiLabelSoftMarginLoss()),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), None),
    )
