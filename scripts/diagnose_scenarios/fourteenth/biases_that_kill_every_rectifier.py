"""A bias of minus fifty before every rectifier: no unit ever fires, and behind the last layer all gradients are 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        conv=nn.Conv1d(2, 6, 3),
        act=nn.ReLU(),
        flat=nn.Flatten(),
        mid=nn.Linear(48, 16),
        act2=nn.ReLU(),
        head=nn.Linear(16, 1),
    )
    if not repaired:
        nn.init.constant_(model.conv.bias, -knobs.pick(40.0, 50.0))
        nn.init.constant_(model.mid.bias, -knobs.pick(40.0, 50.0))
    optimizer = kit.sgd(model, lr=0.05)
    xs = [torch.randn(64, 2, 10) for _ in range(90)]
    return Scenario(
        model,
        optimizer,
        [(x, x[:, 0].mean(1, keepdim=True) * 3) for x in xs],
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), (), (), None, "stalls"),
    )
