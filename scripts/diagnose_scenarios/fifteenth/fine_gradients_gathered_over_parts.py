"""Gradients are gathered over several parts of unlike size and cleared once a step, each part weighed by its size."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, 24, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    sizes = knobs.pick([20, 11, 1], [17, 14, 1])

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        optimizer.zero_grad(set_to_none=False)
        total = torch.zeros(())
        for x, y in zip(batch[0].split(sizes), batch[1].split(sizes), strict=True):
            loss = nn.functional.cross_entropy(model(x), y, reduction="sum") / len(batch[0])
            loss.backward()
            total = total + loss.detach()
        optimizer.step()
        return total

    return Scenario(model, optimizer, kit.classes(50, 32, 8, 3), train_step)
