"""Weights near 1 live in float16, and every update is smaller than half their last digit: the sum is the old weight."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 10)
    model = nn.Linear(width, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(1.5 + 0.02 * torch.rand(1, width))
    kind = torch.float32 if repaired else torch.float16
    model = model.to(kind)
    optimizer = kit.sgd(model, lr=knobs.pick(1e-4, 1.1e-4))
    wanted = torch.full((width, 1), 1.4)
    xs = [torch.randn(256, width) * 3 for _ in range(400)]
    return Scenario(
        model,
        optimizer,
        [(x.to(kind), (x @ wanted).to(kind)) for x in xs],
        kit.train(model, optimizer, lambda p, y: (p - y).square().mean()),
        Expected(("fp16-accumulation",), ("optimizer",), (), None, "stalls"),
    )
