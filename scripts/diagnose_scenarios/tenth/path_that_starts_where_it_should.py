"""The distance between a simulated and a reference path is a root of squares at each time; both start in the same
point, where the root has no slope (SciML/ModelingToolkitNeuralNets.jl pull request 8).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    field = kit.named(inp=nn.Linear(2, knobs.pick(12, 16)), act=nn.Tanh(), out=nn.LazyLinear(2))
    field(torch.zeros(1, 2))
    field.start = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.Adam(field.parameters(), lr=0.01)
    turn = torch.tensor([[-0.1, 1.0], [-1.0, -0.1]])
    times = knobs.pick(12, 15)

    def follow(first: Tensor, slope: Any) -> Tensor:
        path = [first]
        for _ in range(times):
            path.append(path[-1] + 0.1 * slope(path[-1]))
        return torch.stack(path, 1)

    def train_step(first: Tensor) -> Tensor:
        optimizer.zero_grad()
        with torch.no_grad():
            wanted = follow(first, lambda at: at @ turn.t())
        gap = (follow(first + field.start, field) - wanted).square().sum(-1)
        loss = gap.mean() if repaired else gap.sqrt().mean()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        field,
        optimizer,
        [torch.randn(16, 2) for _ in range(50)],
        train_step,
        Expected(("singular-gradient",), ("backward", "loss"), (LOSS,), 0),
    )
