"""A classifier must not know the source of its pictures: the gradient of a second head is turned round and grows from
zero, and the loss of that head stays where guessing is.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Turn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> Any:
        return -ctx.strength * incoming, None


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.feature = nn.Linear(8, width)
        self.label = nn.Linear(width, 3)
        self.source = nn.Linear(width, 2)

    def forward(self, x: Tensor, strength: float) -> tuple[Tensor, Tensor]:
        h = self.feature(x).relu()
        return self.label(h), self.source(Turn.apply(h, strength))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(16, 24))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        x, y, source, strength = batch
        optimizer.zero_grad()
        label, told = model(x, strength)
        loss = nn.functional.cross_entropy(label, y)
        (loss + 0.3 * nn.functional.cross_entropy(told, source)).backward()
        optimizer.step()
        return loss

    batches = []
    for number, (x, y) in enumerate(kit.classes(70, 32, 8, 3)):
        source = torch.randint(2, (32,))
        batches.append((x + 0.5 * source[:, None], y, source, min(1.0, number / 50)))
    return Scenario(model, optimizer, batches, train_step)
