"""Meshes of someone's own data lie where their scanner put them and have the size that its unit gives; brought to the
middle of a unit box, as the method assumes, the gradient loss is a number again (Yzmblog/SurfD issue 3).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Udf(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(3, width), nn.Linear(width, width), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = nn.functional.softplus(self.fc1(x), beta=10)
        return self.fc3(nn.functional.softplus(self.fc2(h), beta=10))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size, place = (1.0, 0.0) if repaired else (knobs.pick(300.0, 400.0), knobs.pick(900.0, 1200.0))
    model = Udf(knobs.pick(20, 24))
    optimizer = kit.sgd(model, lr=0.02, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        points, distance, slope = batch
        optimizer.zero_grad()
        points = points.clone().requires_grad_(True)
        found = model(points)
        (grad,) = torch.autograd.grad(found.sum(), points, create_graph=True)
        loss = nn.functional.mse_loss(found, distance) + 0.1 * (grad - slope).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        points = torch.rand(64, 3) * 2 - 1
        away = points.norm(dim=-1, keepdim=True)
        batches.append((points * size + place, (away - 0.5) * size, points / away))
    return Scenario(model, optimizer, batches, train_step, Expected(("input-scale",), (), (), None))
