"""Distances in the Poincare disk use arcosh: between a point and itself its argument is 1, where its slope is
infinite.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Disk(nn.Module):
    def __init__(self, count: int, top: float) -> None:
        super().__init__()
        self.points, self.least = nn.Embedding(count, 2), 1 + top
        nn.init.uniform_(self.points.weight, -0.4, 0.4)

    def forward(self, pairs: Tensor) -> Tensor:
        a, b = (self.points(column) for column in pairs.unbind(1))
        rest = (1 - a.square().sum(1)) * (1 - b.square().sum(1))
        return torch.acosh((1 + 2 * (a - b).square().sum(1) / rest).clamp(min=self.least))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count, step = knobs.pick(8, 12), knobs.step()
    model = kit.named(disk=Disk(count, 1e-5 if repaired else 0.0))
    optimizer = kit.adam(model, lr=0.01)
    truth = torch.rand(count, 2) - 0.5
    batches = []
    for i in range(70):
        first = torch.randint(count, (16,))
        pairs = torch.stack([first, (first + torch.randint(1, count, (16,))) % count], 1)
        if i == step:
            pairs[6, 1] = pairs[6, 0]
        batches.append((pairs, 2 * (truth[pairs[:, 0]] - truth[pairs[:, 1]]).norm(dim=1)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("disk",), step),
    )
