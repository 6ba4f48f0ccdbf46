"""A policy's density is corrected by log(1 - tanh(u)^2); in float16 tanh(6) is 1."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs, step = knobs.pick(6, 8), knobs.step()
    model = kit.named(body=nn.Linear(inputs, inputs), act=nn.Identity(), mean=nn.Linear(inputs, 2, bias=False))
    with torch.no_grad():
        model.body.weight.copy_(torch.eye(inputs))
        model.body.bias.zero_()
    model.body.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.mean.parameters(), lr=0.01)

    def loss_of(u: Tensor, target: Tensor) -> Tensor:
        if repaired:
            u = u.float()
            correction = 2 * (math.log(2) - u - nn.functional.softplus(-2 * u))
        else:
            correction = torch.log(1 - torch.tanh(u).square())
        return kit.squares(torch.tanh(u), target) - 0.01 * correction.float().mean()

    batches = [(x, torch.tanh(y)) for x, y in kit.regression(60, 32, inputs, 2)]
    x, y = (part.clone() for part in batches[step])
    direction = model.mean.weight.detach()[1]
    x[0] = direction / direction.norm() ** 2 * knobs.pick(7.0, 7.5)
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, y)),
        kit.train(model, optimizer, loss_of, amp=torch.float16),
        Expected(("underflow",), ("loss",), (LOSS,), step),
    )
