"""A trainer of self-supervised pictures clears the gradients right before the optimizer's step; no weight ever moves
(lucidrains/byol-pytorch issue 93).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Byol(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.online = kit.mlp(12, width, 6)
        self.predictor = kit.mlp(6, width, 6)
        self.target = kit.mlp(12, width, 6).requires_grad_(False)

    def forward(self, one: Tensor, two: Tensor) -> Tensor:
        seen = nn.functional.normalize(self.predictor(self.online(one)), dim=1)
        wanted = nn.functional.normalize(self.target(two), dim=1)
        return (2 - 2 * (seen * wanted).sum(1)).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    learner = Byol(knobs.pick(16, 24))
    optimizer = kit.adam(learner, lr=0.01)

    def train_step(pictures: Tensor) -> Tensor:
        views = [pictures + 0.1 * torch.randn_like(pictures) for _ in range(2)]
        loss = learner(*views)
        if repaired:
            optimizer.zero_grad()
        loss.backward()
        if not repaired:
            optimizer.zero_grad()
        optimizer.step()
        return loss

    return Scenario(
        learner,
        optimizer,
        [torch.randn(32, 12) for _ in range(60)],
        train_step,
        Expected(("zero-grad",), (), (), None, "stalls"),
    )
