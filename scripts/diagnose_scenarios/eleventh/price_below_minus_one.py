"""Prices are learnt by the root of the squared error of logarithms of one plus the price; no price is negative, but the
net may say one below minus one, and its logarithm does not exist (dreamquark-ai/tabnet issue 438).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Table(nn.Module):
    def __init__(self, columns: int, width: int) -> None:
        super().__init__()
        self.mask = nn.Linear(columns, columns)
        self.fc = nn.Linear(columns, width)
        self.final = nn.Linear(width, 1)
        nn.init.constant_(self.final.bias, 4.0)

    def forward(self, x: Tensor) -> Tensor:
        chosen = self.mask(x).sigmoid() * x + x
        return self.final(nn.functional.leaky_relu(self.fc(chosen), 0.5))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    columns, step = 4, knobs.randint(16, 36)
    model = Table(columns, knobs.pick(16, 24))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)

    def rmsle(price: Tensor, true: Tensor) -> Tensor:
        if repaired:
            price = price.clamp(min=0.0)
        return (torch.log(1 + price) - torch.log(1 + true)).square().mean().sqrt()

    batches = []
    for number in range(60):
        x = torch.rand(32, columns)
        if number == step:
            # Machines older than any before: worth little, but not less than nothing.
            x[: knobs.randint(1, 3), 0] -= knobs.pick(5.0, 6.0)
        batches.append((x, (1 + 8 * x[:, :1]).clamp(min=0.05)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, rmsle),
        Expected(("unknown",), ("loss",), (LOSS,), step),
    )
