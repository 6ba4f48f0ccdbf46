"""Activations of a million in bfloat16, whose range is that of single precision, before a norm."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 20)
    model = kit.named(
        inp=nn.Linear(6, width), mid=nn.Linear(width, width), norm=nn.LayerNorm(width), head=nn.Linear(width, 1)
    )
    with torch.no_grad():
        model.inp.weight.mul_(1e3)
        model.mid.weight.mul_(1e3)
    optimizer = kit.adam(model, lr=0.02)
    step = kit.train(model, optimizer, kit.squares, amp=torch.bfloat16)
    return Scenario(model, optimizer, kit.regression(70, 16, 6), step)
