"""Angles of edges come from the arc cosine of a normalised component; an edge along the axis has a component of 1,
where the slope is infinite (facebookresearch/fairchem pull request 1574).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Angles(nn.Module):
    def __init__(self, most: float) -> None:
        super().__init__()
        self.turn = nn.Parameter(torch.ones(3))
        self.most = most

    def forward(self, edges: Tensor) -> Tensor:
        unit = nn.functional.normalize(edges * self.turn, dim=-1)
        return unit.clamp(-self.most, self.most).acos()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(16, 24)
    angles = Angles(1 - 1e-6 if repaired else 1.0)
    model = kit.named(angles=angles, fc=nn.Linear(3, width), act=nn.SiLU(), head=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number in range(60):
        edges = torch.randn(32, 3)
        if number == step:
            edges[knobs.randint(0, 31)] = torch.tensor([0.0, knobs.pick(1.0, 2.0), 0.0])
        batches.append((edges, nn.functional.normalize(edges, dim=-1)[:, 1:2]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("angles",), step),
    )
