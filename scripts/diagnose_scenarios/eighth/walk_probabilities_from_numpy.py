"""Attention over a graph walk is weighted by probabilities that NumPy computes; for one graph without links they are
no numbers (benedekrozemberczki/GAM issue 15).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Walk(nn.Module):
    def __init__(self, width: int, spare: float) -> None:
        super().__init__()
        self.lin = nn.Linear(width, width)
        self.spare = spare

    def forward(self, pair: tuple[Tensor, Any]) -> Tensor:
        x, links = pair
        with np.errstate(invalid="ignore"):
            visits = (links + self.spare) / (links + self.spare).sum()
        return torch.from_numpy(visits.astype(np.float32)) @ self.lin(x).relu()


class Net(nn.Module):
    def __init__(self, width: int, spare: float) -> None:
        super().__init__()
        self.walk = Walk(width, spare)
        self.head = nn.Linear(width, 1)

    def forward(self, pair: tuple[Tensor, Any]) -> Tensor:
        return self.head(self.walk(pair))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), knobs.pick(10, 12)
    model = Net(16, 1e-6 if repaired else 0.0)
    optimizer = kit.adam(model, lr=0.01)
    batches = []
    for number in range(80):
        links = np.asarray(torch.randint(0, 4, (nodes,)).double() + 1) * (number != step)
        x = torch.randn(1, 16) + 0.3 * torch.randn(nodes, 16)
        batches.append(((x, links), x.mean().reshape(1)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("unknown",), ("forward",), ("walk",), step),
        learns=False,
    )
