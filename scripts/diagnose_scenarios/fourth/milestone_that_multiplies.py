"""At a milestone the learning rate is to become a thousandth, and becomes a thousandfold."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    milestone = knobs.randint(8, 12)
    model = kit.named(inp=nn.Linear(8, knobs.pick(16, 24)), act=nn.LeakyReLU(0.2), head=nn.LazyLinear(1))
    model(torch.zeros(1, 8))
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [milestone], gamma=0.1 if repaired else 1000.0)
    inner = kit.train(model, optimizer, kit.squares)

    def train_step(batch: Any) -> Tensor:
        loss = inner(batch)
        scheduler.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 8),
        train_step,
        Expected(("learning-rate",), (), (), None),
        extra_state=(scheduler,),
    )
