"""A flow of points follows a field that nothing bounds, and the solver ends at not a number; a field that ends in a
hyperbolic tangent does not run away (stevenygd/PointFlow issue 4).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Field(nn.Module):
    def __init__(self, width: int, bounded: bool) -> None:
        super().__init__()
        self.inp = nn.Linear(3, width)
        self.out = nn.Linear(width, 3)
        self.bounded = bounded

    def forward(self, x: Tensor) -> Tensor:
        v = self.out(nn.functional.softplus(self.inp(x)))
        return v.tanh() if self.bounded else v * v.norm(dim=-1, keepdim=True)


class Flow(nn.Module):
    def __init__(self, width: int, steps: int, bounded: bool) -> None:
        super().__init__()
        self.field = Field(width, bounded)
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.steps):
            x = x + self.field(x) / self.steps
        return x


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Flow(16, knobs.pick(16, 20), repaired)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    batches = []
    for _ in range(50):
        x = 0.5 * torch.randn(40, 3)
        batches.append((x, x + torch.tensor([0.8, -0.6, 0.5])))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("exploding-gradients",), (), (), None),
    )
