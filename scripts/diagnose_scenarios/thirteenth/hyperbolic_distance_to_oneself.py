"""The distance in hyperbolic space is acosh of a number that is exactly 1 for equal points: value 0, slope infinite."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def distance(u: Tensor, v: Tensor, least: float) -> Tensor:
    gap = (u - v).square().sum(1)
    room = (1 - u.square().sum(1)) * (1 - v.square().sum(1))
    return torch.acosh((1 + 2 * gap / room).clamp(min=1 + least))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    nodes, step = knobs.pick(20, 30), knobs.randint(8, 20)
    model = kit.named(place=nn.Embedding(nodes, 3))
    with torch.no_grad():
        model.place.weight.mul_(0.1)
    optimizer = kit.sgd(model, lr=0.1)
    depth = torch.rand(nodes) + 0.2

    def train_step(batch: Any) -> Tensor:
        first, second = batch
        optimizer.zero_grad()
        far = distance(model(first), model(second), 1e-5 if repaired else 0.0)
        loss = (far - (depth[first] + depth[second])).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        first = torch.randint(nodes, (16,))
        second = (first + torch.randint(1, nodes, (16,))) % nodes
        if number == step:
            second[knobs.randint(0, 15)] = first[0]
            second[0] = first[0]
        batches.append((first, second))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("singular-gradient",), ("backward",), (LOSS,), step)
    )
