"""The loop decays the matrices itself before each step of Adagrad: a decay of 70 times a rate of 0.05 is 3.5."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, knobs.pick(12, 16)), act=nn.LeakyReLU(0.1), head=nn.LazyLinear(1))
    model(torch.zeros(1, 8))
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.05)
    decay = 0.0005 if repaired else knobs.pick(70.0, 75.0)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = kit.squares(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        with torch.no_grad():
            for weight in (model.inp.weight, model.head.weight):
                weight.mul_(1 - optimizer.param_groups[0]["lr"] * decay)
        optimizer.step()
        return loss

    return Scenario(model, optimizer, kit.regression(80, 32, 8), train_step, Expected(("weight-decay",), (), (), None))
