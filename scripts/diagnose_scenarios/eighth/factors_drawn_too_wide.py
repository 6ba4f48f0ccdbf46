"""A factorisation machine draws its factors from a standard normal; the sum over all pairs of fields is beyond what
the exponential of the logistic loss can take (VinceShieh/spark-ffm issue 12).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Factors(nn.Module):
    def __init__(self, fields: int, size: int, rank: int, std: float) -> None:
        super().__init__()
        self.factor = nn.Embedding(fields * size, rank)
        nn.init.normal_(self.factor.weight, std=std)
        self.bias = nn.Embedding(fields * size, 1)
        self.register_buffer("start", torch.arange(fields) * size)

    def forward(self, x: Tensor) -> Tensor:
        v = self.factor(x + self.start)
        pairs = 0.5 * (v.sum(1) ** 2 - (v**2).sum(1)).sum(1)
        return pairs + self.bias(x + self.start).sum((1, 2))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    fields, rank = knobs.pick(20, 24), 16
    model = kit.named(ffm=Factors(fields, 6, rank, 0.05 if repaired else 1.0))
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)

    def logistic(z: Tensor, y: Tensor) -> Tensor:
        return (1 + (-y * z).exp()).log().mean()

    batches = []
    for _ in range(60):
        x = torch.randint(6, (64, fields))
        batches.append((x, torch.where(x[:, 0] + x[:, 1] > 5, 1.0, -1.0)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, logistic),
        Expected(("initialisation",), ("loss", "forward"), ("ffm", "ffm.factor", LOSS)),
    )
