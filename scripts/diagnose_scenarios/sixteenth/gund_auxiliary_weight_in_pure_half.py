"""A model wholly in float16 learns from one loss of weight 1e-7: its gradients are 0 in float16 and the weights
stay.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Recommender(nn.Module):
    def __init__(self, users: int, items: int, width: int) -> None:
        super().__init__()
        self.user = nn.Embedding(users, width)
        self.item = nn.Embedding(items, width)

    def forward(self, pairs: Tensor) -> Tensor:
        return (self.user(pairs[:, 0]) * self.item(pairs[:, 1])).sum(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    users, items = knobs.pick(12, 16), knobs.pick(10, 14)
    model = Recommender(users, items, 8).half()
    weight = 1.0 if repaired else knobs.pick(1e-7, 3e-8)
    optimizer = kit.sgd(model, lr=2.0)
    liking = torch.randn(users, 2) @ torch.randn(2, items)

    def train_step(pairs: Tensor) -> Tensor:
        optimizer.zero_grad()
        rating = liking[pairs[:, 0], pairs[:, 1]]
        loss = weight * nn.functional.smooth_l1_loss(model(pairs).float(), rating)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        [torch.stack([torch.randint(users, (64,)), torch.randint(items, (64,))], 1) for _ in range(80)],
        train_step,
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
    )
