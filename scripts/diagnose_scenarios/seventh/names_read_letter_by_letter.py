"""A character-level recurrence without gates explodes on long names (as in pytorch/pytorch issue 2623)."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class RNN(nn.Module):
    def __init__(self, letters: int, width: int, count: int) -> None:
        super().__init__()
        self.i2h = nn.Linear(letters + width, width)
        self.h2o = nn.Linear(width, count)
        self.width = width

    def forward(self, name: Tensor) -> Tensor:
        hidden = name.new_zeros(len(name), self.width)
        for t in range(name.shape[1]):
            hidden = self.i2h(torch.cat([name[:, t], hidden], 1))
        return self.h2o(hidden)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    letters, count, length = 8, 3, knobs.pick(30, 34)
    model = RNN(letters, 16, count)
    with torch.no_grad():
        model.i2h.weight[:, letters:].copy_(1.1 * torch.linalg.qr(torch.randn(16, 16))[0])
    optimizer = kit.sgd(model, lr=0.1)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        return kit.squares(p, nn.functional.one_hot(y, count).float())

    batches = []
    for _ in range(80):
        y = torch.randint(count, (16,))
        name = torch.randint(letters, (16, length))
        name[:, -6:] = y[:, None]
        batches.append((nn.functional.one_hot(name, letters).float(), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion, clip=0.5 if repaired else None),
        Expected(("exploding-gradients",), (), (), None),
    )
