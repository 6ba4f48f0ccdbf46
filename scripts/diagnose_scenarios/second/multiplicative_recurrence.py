"""A recurrence without gates or clipping, over long inputs: one gradient is millions of times the others."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Rnn(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros_like(x[:, 0])
        for step in range(x.shape[1]):
            h = self.mix(h) + 0.1 * x[:, step]
        return h


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, length = knobs.pick(6, 8), knobs.pick(150, 180)
    model = kit.named(rnn=Rnn(width), out=nn.Linear(width, 1))
    nn.init.orthogonal_(model.rnn.mix.weight, 1.02)
    optimizer = kit.sgd(model, lr=0.02)
    batches = [(x, y / 2) for x, y in kit.sequences(40, 16, length, width)]
    batches = [(x, x[:, -1, :1] * 0.5) for x, _ in batches]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, clip=0.2 if repaired else None),
        Expected(("exploding-gradients",), (), (), None),
    )
