"""The normal initialiser takes the root of 2 / fan_in + fan_out where 2 / (fan_in + fan_out) was meant (mlverse/torch
issue 555).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def xavier_normal(weight: Tensor, brackets: bool) -> None:
    fan_out, fan_in = weight.shape
    std = math.sqrt(2.0 / (fan_in + fan_out)) if brackets else math.sqrt(2.0 / fan_in + fan_out)
    with torch.no_grad():
        weight.normal_(0, std)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(32, 48)
    model = kit.named(
        inp=nn.Linear(8, width),
        act1=nn.ReLU(),
        mid=nn.Linear(width, width),
        act2=nn.ReLU(),
        head=nn.Linear(width, 1),
    )
    for layer in (model.inp, model.mid, model.head):
        xavier_normal(layer.weight, repaired)
    optimizer = kit.sgd(model, lr=0.05)
    return Scenario(
        model,
        optimizer,
        kit.regression(50, 32, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), (), ("inp", "mid", "head"), None),
    )
