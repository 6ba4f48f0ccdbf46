"""A distributed optimizer wraps the ordinary one and decides when gradients are to be cleared; under one of its
settings it never does (sql-machine-learning/elasticdl pull request 2426).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class DistributedAdam(torch.optim.Adam):
    """Steps once for `every` backward passes; clears only when it believes that it has just stepped."""

    def __init__(self, params: Any, lr: float, every: int, sound: bool) -> None:
        super().__init__(params, lr=lr)
        self.every, self.sound = every, sound
        self.passes, self.clear_next = 0, False

    def zero_grad(self, set_to_none: bool = True) -> None:
        if self.sound or (self.clear_next and self.every > 1):
            super().zero_grad(set_to_none)

    def step(self, closure: Any = None) -> Any:
        self.passes += 1
        self.clear_next = self.passes % self.every == 0
        return super().step(closure)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(words=nn.EmbeddingBag(40, 12), act=nn.Tanh(), head=nn.Linear(12, 3))
    optimizer = DistributedAdam(model.parameters(), knobs.pick(0.25, 0.3), 1, repaired)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss

    topic = torch.randint(3, (40,))
    bags = [torch.randint(40, (32, 5)) for _ in range(80)]
    return Scenario(
        model,
        optimizer,
        [(bag, nn.functional.one_hot(topic[bag], 3).sum(1).argmax(1)) for bag in bags],
        train_step,
        Expected(("zero-grad",), (), (), None, "diverges"),
    )
