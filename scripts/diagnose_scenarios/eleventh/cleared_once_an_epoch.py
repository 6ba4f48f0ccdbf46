"""Gradients are cleared at the beginning of an epoch, not at the beginning of a batch; every step adds up all batches
since then, and nothing warns of it (pytorch/pytorch issue 47175).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    batches_an_epoch = knobs.randint(25, 30)
    width = knobs.pick(16, 24)
    model = kit.named(fc1=nn.Linear(10, width), act=nn.LeakyReLU(0.1), fc2=nn.Linear(width, width), act2=nn.ELU())
    model.add_module("fc3", nn.Linear(width, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    def train_step(batch: tuple[int, Tensor, Tensor]) -> Any:
        number, x, y = batch
        if repaired or number % batches_an_epoch == 0:
            optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    pairs = kit.regression(60, 32, 10, 2)
    return Scenario(
        model,
        optimizer,
        [(number, x, y) for number, (x, y) in enumerate(pairs)],
        train_step,
        Expected(("zero-grad",), (), (), None),
    )
