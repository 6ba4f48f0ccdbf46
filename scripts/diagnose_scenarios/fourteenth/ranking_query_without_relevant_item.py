"""A ranking loss is divided by the number of relevant items of each query; one query has none."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Ranker(nn.Module):
    def __init__(self, users: int, items: int, width: int) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(users, width), nn.Embedding(items, width)

    def forward(self, user: Tensor) -> Tensor:
        return self.users(user) @ self.items.weight.t()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    users, items, step = 30, knobs.pick(12, 18), knobs.step()
    model = Ranker(users, items, knobs.pick(6, 8))
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.3)
    likes = torch.rand(users, items) < 0.4
    likes[:, 0] = True

    def listwise(scores: Tensor, relevant: Tensor) -> Tensor:
        wanted = relevant.float()
        count = wanted.sum(1)
        count = count.clamp(min=1) if repaired else count
        return (-(scores.log_softmax(1) * wanted).sum(1) / count).mean()

    batches = [(u, likes[u].clone()) for u in (torch.randint(users, (16,)) for _ in range(60))]
    batches[step][1][knobs.randint(0, 15)] = False
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, listwise),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
