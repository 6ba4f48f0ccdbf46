"""Camera rotations are free quaternions that begin at the identity and are divided by their length after each step; the
angle to the truth goes through atan2, which is smooth there.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Cameras(nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.turn = nn.Parameter(torch.tensor([[1.0, 0, 0, 0]]).repeat(count, 1))

    def forward(self, points: Tensor, camera: Tensor) -> Tensor:
        q = nn.functional.normalize(self.turn[camera], dim=-1)
        w, v = q[:, None, :1], q[:, None, 1:].expand_as(points)
        across = torch.linalg.cross(v, points)
        return points + 2 * (w * across + torch.linalg.cross(v, across))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    count = knobs.pick(4, 6)
    model = Cameras(count)
    optimizer = kit.adam(model, lr=0.03)

    def train_step(batch: Any) -> Tensor:
        points, camera, seen = batch
        optimizer.zero_grad()
        found = model(points, camera)
        across = torch.linalg.cross(found, seen).square().sum(-1)
        angle = torch.atan2((across + 1e-12).sqrt(), (found * seen).sum(-1))
        loss = angle.square().mean()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            model.turn.div_(model.turn.norm(dim=-1, keepdim=True))
        return loss

    truth = Cameras(count)
    with torch.no_grad():
        truth.turn.add_(0.3 * torch.randn(count, 4))
        batches = []
        for _ in range(60):
            points, camera = nn.functional.normalize(torch.randn(16, 6, 3), dim=-1), torch.randint(count, (16,))
            batches.append((points, camera, truth(points, camera)))
    return Scenario(model, optimizer, batches, train_step)
