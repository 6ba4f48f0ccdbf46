"""Depth 0 means `not measured`, and the loss takes its logarithm."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(enc=nn.Conv2d(1, 6, 3, padding=1), act=nn.ReLU(), dec=nn.Conv2d(6, 1, 3, padding=1))
    optimizer = kit.adam(model, lr=0.02)
    xs = [torch.randn(8, 1, 6, 6) for _ in range(50)]
    batches = [(x, x.exp() + 0.1) for x in xs]
    if not repaired:
        batches[step][1][2, 0, :2] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, depth: kit.squares(p, depth.log())),
        Expected(("bad-labels",), ("loss",), (LOSS,), step),
    )
