"""Workers share a wrapper around their optimizer that hands `step` on and answers `zero_grad` without doing anything
(sql-machine-learning/elasticdl pull request 2426).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Shared:
    def __init__(self, inner: Any, clears: bool) -> None:
        self.inner, self.clears = inner, clears

    def zero_grad(self) -> None:
        if self.clears:
            self.inner.zero_grad()

    def step(self) -> None:
        self.inner.step()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = nn.ModuleDict(
        {
            "user": nn.Embedding(20, 8),
            "item": nn.Embedding(30, 8),
            "mix": nn.Linear(16, knobs.pick(24, 32)),
            "rate": nn.LazyLinear(1),
        }
    )
    inner = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    shared = Shared(inner, repaired)
    taste = torch.randn(20, 3) @ torch.randn(3, 30)

    def rate(user: Tensor, item: Tensor) -> Tensor:
        both = torch.cat([model["user"](user), model["item"](item)], 1)
        return model["rate"](torch.relu(model["mix"](both)))[:, 0]

    def train_step(batch: Any) -> Tensor:
        user, item = batch
        shared.zero_grad()
        loss = nn.functional.mse_loss(rate(user, item), taste[user, item])
        loss.backward()
        shared.step()
        return loss

    batches = [(torch.randint(20, (64,)), torch.randint(30, (64,))) for _ in range(80)]
    rate(*batches[0])
    return Scenario(
        model,
        inner,
        batches,
        train_step,
        Expected(("zero-grad",), ("optimizer", "backward"), (), None, "nonfinite"),
    )
