"""A self-supervised trainer clears the gradients between backward and step: nothing is ever learnt (as in
lucidrains/byol-pytorch issue 93).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Byol(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.online = kit.mlp(8, width, 6)
        self.predictor = nn.Linear(6, 6)
        self.target = kit.mlp(8, width, 6).requires_grad_(False)

    def forward(self, one: Tensor, two: Tensor) -> Tensor:
        p = nn.functional.normalize(self.predictor(self.online(one)), dim=-1)
        z = nn.functional.normalize(self.target(two), dim=-1)
        return 2 - 2 * (p * z).sum(-1).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Byol(knobs.pick(16, 24))
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.3, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        one, two = batch
        if repaired:
            optimizer.zero_grad()
        loss = model(one, two)
        loss.backward()
        if not repaired:
            optimizer.zero_grad()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        x = torch.randn(32, 8)
        batches.append((x + 0.1 * torch.randn(32, 8), x + 0.1 * torch.randn(32, 8)))
    return Scenario(model, optimizer, batches, train_step, Expected(("zero-grad",), (), (), None, "stalls"))
