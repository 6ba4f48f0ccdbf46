"""A factorisation machine multiplies its fields, and one numeric field holds hundreds (as in
alexeygrigorev/libffm-python issue 5).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Factors(nn.Module):
    def __init__(self, fields: int, rank: int) -> None:
        super().__init__()
        self.linear = nn.Linear(fields, 1)
        self.v = nn.Parameter(0.3 * torch.randn(fields, rank))

    def forward(self, x: Tensor) -> Tensor:
        pairs = (x @ self.v).square() - x.square() @ self.v.square()
        return self.linear(x) + 0.5 * pairs.sum(1, keepdim=True)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(ffm=Factors(6, 4))
    optimizer = kit.sgd(model, lr=0.1)
    largest = 1.0 if repaired else knobs.pick(200.0, 400.0)
    units = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, largest])

    def logistic(p: Tensor, y: Tensor) -> Tensor:
        return (p - y).abs().mean()

    batches = []
    for _ in range(80):
        x = torch.rand(32, 6)
        batches.append((x * units, (3 * x[:, :1] - 2 * x[:, 1:2] * x[:, 5:])))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, logistic),
        Expected(("input-scale",), (), (), None),
    )
