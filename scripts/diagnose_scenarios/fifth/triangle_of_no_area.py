"""A mesh is kept smooth by a loss on the angles between triangles, with lengths by a square root; the triangles of one
picture without an object have no area (akanazawa/cmr issue 11).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn

FACES = torch.tensor([[0, 1, 2], [1, 3, 2], [2, 3, 4], [3, 5, 4]])


class MeshNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(8, width, bias=False)
        self.shape = nn.Linear(width, 18, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.shape(nn.functional.leaky_relu(self.encoder(x), 0.2)).view(-1, 6, 3)


def flatness(vertices: Tensor, eps: float) -> Tensor:
    a, b, c = vertices[:, FACES].unbind(2)
    normal = torch.linalg.cross(b - a, c - a)
    length = torch.sqrt((normal * normal).sum(-1) + eps)
    cosine = (normal[:, 1:] * normal[:, :-1]).sum(-1) / (length[:, 1:] * length[:, :-1] + 1e-6)
    return (1 - cosine).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, eps = knobs.step(), 1e-8 if repaired else 0.0
    net = MeshNet(knobs.pick(16, 20))
    optimizer = kit.adam(net, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        features, target = batch
        vertices = net(features)
        loss = (vertices - target).square().mean() + 0.01 * flatness(vertices, eps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    teacher = torch.randn(8, 18) / 3
    batches = []
    for number in range(60):
        x = torch.randn(12, 8)
        target = (x @ teacher).view(-1, 6, 3)
        if number == step:
            x[2] = 0
        batches.append((x, target))
    return Scenario(net, optimizer, batches, train_step, Expected(("singular-gradient",), ("backward",), (LOSS,), step))
