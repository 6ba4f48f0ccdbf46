"""Points of a map in metres from the grid's origin, five million and more, where metres from the middle were meant."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(point=nn.Linear(3, width), act=nn.LeakyReLU(0.1), height=nn.Linear(width, 1))
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    origin = torch.tensor([4.5e5, knobs.pick(5.3e6, 5.6e6), 420.0])
    points = [torch.randn(32, 3) for _ in range(80)]
    teacher = torch.randn(3, 1) / 2
    batches = [(x if repaired else origin + 300 * x, x @ teacher) for x in points]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
