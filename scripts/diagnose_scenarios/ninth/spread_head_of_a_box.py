"""A detector predicts its own uncertainty a and weighs box errors by exp(-a); its head is drawn like any other, some a
start far below 0, and the weight is infinite in the first step (ethanhe42/KL-Loss issue 4).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Boxes(nn.Module):
    def __init__(self, width: int, spread: float) -> None:
        super().__init__()
        self.trunk = nn.Linear(20, width)
        self.delta = nn.Linear(width, 4)
        self.alpha = nn.Linear(width, 4)
        nn.init.normal_(self.alpha.weight, 0, spread)
        nn.init.zeros_(self.alpha.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.trunk(4 * x).relu()
        return self.delta(h), self.alpha(h)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(48, 64)
    model = Boxes(width, 1e-4 if repaired else knobs.pick(6.0, 8.0))
    optimizer = kit.adam(model, lr=0.005)

    def train_step(batch: Any) -> Tensor:
        region, delta = batch
        optimizer.zero_grad()
        found, alpha = model(region)
        error = (found - delta).abs()
        error = torch.where(error > 1, error - 0.5, error.square() / 2)
        loss = (torch.exp(-alpha) * error + alpha / 2).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        return loss

    teacher = torch.randn(20, 4) / 2
    xs = [torch.randn(64, 20) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(x, x @ teacher) for x in xs],
        train_step,
        Expected(("initialisation",), ("loss",), (LOSS,)),
    )
