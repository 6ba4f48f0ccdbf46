"""Distances on a sphere are angles, cut to what the arc cosine takes and no further; in one batch a point is asked for
its distance to itself (geoopt/geoopt pull request 79).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Sphere(nn.Module):
    def __init__(self, inputs: int, width: int, limit: float) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(inputs, width))
        self.limit = limit

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(-1).clamp(-self.limit, self.limit).acos()

    def forward(self, pairs: Tensor) -> Tensor:
        unit = nn.functional.normalize(self.places, dim=-1)
        return self.distance(unit[pairs[:, 0]], unit[pairs[:, 1]])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, many = knobs.randint(10, 19), knobs.pick(20, 24)
    model = kit.named(sphere=Sphere(many, 4, 1 - 1e-4 if repaired else 1.0))
    with torch.no_grad():
        model.sphere.places[3] = torch.tensor([0.0, 2.0, 0.0, 0.0])
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    ring = torch.arange(many) * 6.283 / many
    batches = []
    for number in range(60):
        pairs = torch.randint(many, (48, 2))
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        pairs = pairs[(pairs != 3).all(1)] if number < step else pairs
        if number == step:
            pairs[knobs.randint(0, 9)] = 3
        gap = (ring[pairs[:, 0]] - ring[pairs[:, 1]]).cos().acos().nan_to_num()
        batches.append((pairs, gap))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("sphere",), step),
    )
