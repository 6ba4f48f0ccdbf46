"""Classes that a country does not have get minus infinity as their score; they are never the answer, and their share
is nought.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    kinds = knobs.pick(6, 7)
    model = kit.named(inp=nn.Linear(8, 24), act=nn.ReLU(), out=nn.Linear(24, kinds))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        scores = model(batch["x"]).masked_fill(~batch["possible"], float("-inf"))
        loss = nn.functional.cross_entropy(scores, batch["y"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for x, y in kit.classes(50, 24, 8, kinds):
        possible = torch.rand(24, kinds) < 0.5
        possible[torch.arange(24), y] = True
        batches.append({"x": x, "y": y, "possible": possible})
    return Scenario(model, optimizer, batches, train_step)
