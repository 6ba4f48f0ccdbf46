"""A pointer net masks the places it has visited; asked for one place more than there are, it masks them all."""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Pointer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.place, self.score = nn.Linear(2, width), nn.Linear(width, 1)

    def forward(self, places: Tensor, tour: Tensor) -> Tensor:
        scores = self.score(self.place(places).tanh())[..., 0]
        seen, total = torch.zeros_like(scores, dtype=torch.bool), scores.new_zeros(())
        for stop in tour.unbind(1):
            logs = scores.masked_fill(seen, -math.inf).log_softmax(1)
            total = total - logs.gather(1, stop[:, None]).mean()
            seen = seen.scatter(1, stop[:, None], True)
        return total / tour.shape[1]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, count, model = knobs.step(), knobs.pick(4, 5), kit.named(pointer=Pointer(12))
    optimizer = kit.adam(model, lr=0.03)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = model.pointer(*batch)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        places = torch.randn(12, count, 2)
        tour = places[..., 0].argsort(1)
        if number == step and not repaired:
            tour = torch.cat([tour, tour[:, :1]], 1)
        batches.append((places, tour))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("pointer",), step)
    )
