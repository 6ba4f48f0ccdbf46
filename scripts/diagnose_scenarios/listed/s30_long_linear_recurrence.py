"""A decay parameter just above 1 over 300 steps, without clipping: gradients thousands of times the loss."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Decay(nn.Module):
    def __init__(self, start: float) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(start))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros_like(x[:, 0])
        for step in range(x.shape[1]):
            h = self.rate * h + x[:, step]
        return h


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length = knobs.pick(250, 300)
    model = kit.named(decay=Decay(1.01), head=nn.Linear(2, 1))
    optimizer = kit.sgd(model, lr=0.01)
    batches = [(x, x.sum(1)[:, :1] / length**0.5) for x, _ in kit.sequences(25, 8, length, 2)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, clip=0.5 if repaired else None),
        Expected(("exploding-gradients",), (), (), None),
    )
