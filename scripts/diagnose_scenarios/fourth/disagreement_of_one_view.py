"""Several views of an object are pooled by their mean and their unbiased variance; one batch brings one view of
each.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Agreement(nn.Module):
    def __init__(self, unbiased: bool) -> None:
        super().__init__()
        self.unbiased = unbiased

    def forward(self, views: Tensor) -> Tensor:
        return torch.cat([views.mean(1), views.var(1, unbiased=self.unbiased)], -1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = kit.named(
        enc=nn.Linear(6, width), act=nn.Tanh(), pool=Agreement(not repaired), head=nn.Linear(2 * width, 3)
    )
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number, (x, y) in enumerate(kit.classes(50, 16, 6, 3)):
        views = 1 if number == step else knobs.randint(2, 5)
        batches.append((x[:, None] + 0.2 * torch.randn(16, views, 6), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("pool",), step),
    )
