"""A linear recurrence learns on short sequences; one long sequence multiplies its gradient by millions, and nothing
clips it.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Memory(nn.Module):
    def __init__(self, inputs: int, width: int, radius: float) -> None:
        super().__init__()
        self.read = nn.Linear(inputs, width)
        self.keep = nn.Parameter(torch.linalg.qr(torch.randn(width, width))[0] * radius)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(x.shape[0], self.keep.shape[0])
        for part in x.unbind(1):
            h = h @ self.keep + self.read(part)
        return h


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width, long = knobs.step(), knobs.pick(8, 10), knobs.pick(150, 180)
    model = kit.named(memory=Memory(3, width, 1.1), head=nn.Linear(width, 1))
    optimizer = kit.sgd(model, lr=0.02)
    batches = []
    for i in range(60):
        x = torch.randn(8, long if i == step else 4, 3)
        batches.append((x, x[:, -1, :1]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, t: nn.functional.smooth_l1_loss(p, t), clip=0.5 if repaired else None),
        Expected(("exploding-gradients",), ("backward",), ("memory",), None),
    )
