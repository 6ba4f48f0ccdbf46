"""A field-aware factorisation machine draws its factors with deviation 1: the sum over all pairs is in the hundreds,
and its exponential is beyond float32 (VinceShieh/spark-ffm issue 12).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Ffm(nn.Module):
    def __init__(self, features: int, fields: int, width: int, deviation: float) -> None:
        super().__init__()
        self.fields = fields
        self.factors = nn.Parameter(deviation * torch.randn(features, fields, width))
        self.linear = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, fields]: one feature a field."""
        v = self.factors[x]
        left, right = torch.triu_indices(self.fields, self.fields, 1)
        return (v[:, left, right] * v[:, right, left]).sum((1, 2)) + self.linear[x].sum(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    fields, each, width = knobs.pick(20, 22), 4, 16
    model = Ffm(fields * each, fields, width, 0.05 if repaired else 2.5)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)

    def logistic(score: Tensor, label: Tensor) -> Tensor:
        return torch.log(1 + torch.exp(-label * score)).mean()

    effect = torch.randn(fields * each)
    batches = []
    for _ in range(60):
        x = torch.randint(each, (32, fields)) + each * torch.arange(fields)
        batches.append((x, effect[x].sum(1).sign()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, logistic),
        Expected(("initialisation",), ("loss", "forward"), (), 0),
    )
