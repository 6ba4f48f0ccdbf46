"""A physics problem in float64, with targets near 1e-9 and a loss near 1e-18."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    size = knobs.pick(1e-9, 3e-9)
    model = kit.named(inp=nn.Linear(4, knobs.pick(12, 16)), act=nn.Tanh(), head=nn.LazyLinear(1))
    model(torch.zeros(1, 4))
    model.double()
    with torch.no_grad():
        model.head.weight.mul_(size)
        model.head.bias.zero_()
    optimizer = kit.adam(model, lr=size / 20, eps=1e-30)
    batches = [(x.double(), size * y.double()) for x, y in kit.regression(80, 32, 4)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, lambda p, y: nn.functional.mse_loss(p, y)))
