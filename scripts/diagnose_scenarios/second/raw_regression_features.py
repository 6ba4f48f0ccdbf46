"""Features of 1e3 and more, with a learning rate chosen for standardised ones."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(6, knobs.pick(16, 24)), act=nn.LeakyReLU(0.1))
    model.add_module("out", nn.Linear(model.inp.out_features, 1))
    optimizer = kit.sgd(model, lr=0.05)
    sizes = 1.0 if repaired else torch.tensor([1.0, 1.0, 1e3, 1.0, knobs.pick(2e3, 1e4), 1.0])
    return Scenario(
        model,
        optimizer,
        [(x * sizes, y) for x, y in kit.regression(60, 16, 6)],
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
