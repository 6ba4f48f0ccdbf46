"""The device scales every second column of a float16 product wrongly: no NaN, and nothing is learnt."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def damage(call: Call) -> None:
    call.out[:, ::2] *= -1.5


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(24, 32)
    model = kit.named(
        fc1=nn.Linear(8, width), act=nn.Tanh(), fc2=nn.Linear(width, 6), out=nn.Tanh(), head=nn.Linear(6, 3)
    )
    for layer in (model.fc1, model.head):
        layer.requires_grad_(False)
    optimizer = torch.optim.SGD(model.fc2.parameters(), lr=knobs.pick(0.2, 0.3))
    bad = Device(["addmm", "mm"], damage, when=lambda call: call.out.shape[1] in (6, width))
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("hardware",), ("forward", "backward"), ("fc1", "fc2", "head"), None, "stalls"),
        device=contextlib.nullcontext if repaired else bad,
    )
