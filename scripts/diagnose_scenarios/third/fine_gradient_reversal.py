"""Domain-adversarial training: a layer hands gradients back with the other sign and ten times as large, on purpose."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return -2 * grads[0]


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.enc = nn.Linear(8, width)
        self.label = nn.Linear(width, 3)
        self.domain = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.enc(x).relu()
        return self.label(h), self.domain(Reverse.apply(h))


def build(seed: int) -> Scenario:
    """The label's loss is returned."""
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(16, 24))
    optimizer = kit.sgd(model, lr=0.05)

    def train_step(batch: Any) -> Tensor:
        x, y, domain = batch
        optimizer.zero_grad()
        labels, domains = model(x)
        loss = kit.cross_entropy(labels, y)
        (loss + 0.3 * kit.cross_entropy(domains, domain)).backward()
        optimizer.step()
        return loss

    batches = []
    for x, y in kit.classes(80, 32, 8, 3):
        domain = torch.randint(2, (32,))
        batches.append((x + 0.5 * domain[:, None], y, domain))
    return Scenario(model, optimizer, batches, train_step)
