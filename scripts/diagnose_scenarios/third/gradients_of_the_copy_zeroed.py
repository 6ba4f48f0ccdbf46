"""After a copy was made for averaging, the loop zeroes the copy's gradients; the trained model's pile up."""

from __future__ import annotations

import copy
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(conv=nn.Conv2d(1, width, 3), act=nn.LeakyReLU(0.2), flat=nn.Flatten())
    model.add_module("out", nn.Linear(width * 16, 1))
    averaged = copy.deepcopy(model)
    optimizer = kit.sgd(model, lr=knobs.pick(0.01, 0.015), momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        (model if repaired else averaged).zero_grad()
        loss = kit.squares(model(x), y)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for mean, weight in zip(averaged.parameters(), model.parameters(), strict=True):
                mean.lerp_(weight, 0.1)
        return loss

    teacher = torch.randn(1, 6, 6) / 6
    xs = [torch.randn(16, 1, 6, 6) for _ in range(250)]
    batches = [(x, (x * teacher).sum((1, 2, 3))[:, None]) for x in xs]
    return Scenario(
        model, optimizer, batches, train_step, Expected(("zero-grad",), (), (), None), extra_state=(averaged,)
    )
