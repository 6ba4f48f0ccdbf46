"""Matrix factorisation by plain gradient descent, with a rate a hundred times beyond what its products stand."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Factors(nn.Module):
    def __init__(self, users: int, items: int, width: int) -> None:
        super().__init__()
        self.users = nn.Embedding(users, width)
        self.items = nn.Embedding(items, width)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=0.5)

    def forward(self, pairs: Tensor) -> Tensor:
        return (self.users(pairs[:, 0]) * self.items(pairs[:, 1])).sum(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    users, items, width = knobs.pick(20, 24), 20, knobs.pick(8, 12)
    model = Factors(users, items, width)
    optimizer = kit.sgd(model, lr=1.0 if repaired else knobs.pick(150.0, 200.0))
    ratings = torch.randn(users, 3) @ torch.randn(3, items)
    pairs = [torch.stack([torch.randint(users, (64,)), torch.randint(items, (64,))], 1) for _ in range(150)]
    return Scenario(
        model,
        optimizer,
        [(pair, ratings[pair[:, 0], pair[:, 1]]) for pair in pairs],
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None),
    )
