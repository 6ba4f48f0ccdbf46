"""A penalty on the factors of items that looks like a small number is so strong that all of them go to zero, and every
item gets the same score (lyst/lightfm issue 96).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    users, items = 16, knobs.pick(24, 30)
    model = nn.ModuleDict({"user": nn.Embedding(users, 6), "item": nn.Embedding(items, 6)})
    with torch.no_grad():
        for table in model.values():
            table.weight.mul_(0.3)
    penalty = 0.05 * (1e-3 if repaired else 1.0)
    # The penalty counts once for every sample of an item, which makes it forty times as strong in a batch.
    optimizer = torch.optim.SGD(
        [{"params": model["user"].parameters()}, {"params": model["item"].parameters(), "weight_decay": 40 * penalty}],
        lr=0.4,
    )
    liked = torch.randn(users, 3) @ torch.randn(3, items) > 0

    def train_step(batch: Any) -> Tensor:
        user, item = batch
        optimizer.zero_grad()
        score = (model["user"](user) * model["item"](item)).sum(1)
        loss = nn.functional.binary_cross_entropy_with_logits(8 * score, liked[user, item].float())
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        [(torch.randint(users, (256,)), torch.randint(items, (256,))) for _ in range(80)],
        train_step,
        Expected(("weight-decay",), ("optimizer",), (), None, "stalls"),
    )
