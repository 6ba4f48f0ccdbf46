"""A mesh loss measures edges by the root of their squares, and two corners fall on one point: the root has no
gradient at zero (as in akanazawa/cmr issue 11).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Mesh(nn.Module):
    def __init__(self, width: int, corners: int) -> None:
        super().__init__()
        self.enc = nn.Linear(6, width)
        self.verts = nn.Linear(width, corners * 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.verts(self.enc(x).relu()).view(len(x), -1, 3)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    corners, eps, step = 5, 1e-12 if repaired else 0.0, knobs.step()
    model = Mesh(knobs.pick(16, 24), corners)
    optimizer = kit.adam(model, lr=0.01)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        pairs = y[:, :, 0].long()
        points = p.gather(1, pairs[:, :, None].expand(-1, -1, 3))
        edges = points - points.roll(1, 1)
        lengths = (edges.square().sum(-1) + eps).sqrt()
        return (lengths - 1).square().mean() + 0.1 * p.mean().square()

    batches = []
    for number in range(70):
        order = torch.stack([torch.randperm(corners) for _ in range(8)])
        if number == step:
            order[2, 1] = order[2, 0]
        batches.append((torch.randn(8, 6), order[:, :, None]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("singular-gradient",), ("backward",), (LOSS,), step),
    )
