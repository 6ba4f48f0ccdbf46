"""Points of a hyperbolic disc move close to its rim, where distances grow without bound; they are kept a hair inside
and the argument of the inverse cosine a hair above one.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    leaves = knobs.pick(12, 15)
    model = kit.named(places=nn.Embedding(leaves, 2))
    with torch.no_grad():
        model.places.weight.mul_(0.01)
    optimizer = kit.sgd(model, lr=0.02)
    branch = torch.arange(leaves) % 3

    def distance(a: Tensor, b: Tensor) -> Tensor:
        inside = (1 - a.square().sum(-1)) * (1 - b.square().sum(-1))
        return (1 + 2 * (a - b).square().sum(-1) / inside).clamp(min=1 + 1e-5).acosh()

    def train_step(batch: Any) -> Tensor:
        one, two = batch
        optimizer.zero_grad()
        gap = distance(model.places(one), model.places(two))
        wanted = torch.where(branch[one] == branch[two], 1.0, 5.0)
        loss = (gap - wanted).square().mean()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            length = model.places.weight.norm(dim=1, keepdim=True)
            model.places.weight.mul_((0.995 / length).clamp(max=1.0))
        return loss

    batches = []
    for _ in range(80):
        one = torch.randint(leaves, (48,))
        batches.append((one, (one + torch.randint(1, leaves, (48,))) % leaves))
    return Scenario(model, optimizer, batches, train_step)
