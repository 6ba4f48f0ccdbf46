"""The likelihood of a chain of bits is the product of their probabilities; for a long chain float32 has no such
number, and its logarithm is minus infinity (horenbergerb/BernoulliDiffusion issue 15).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Bits(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(1, width, batch_first=True)
        self.out = nn.Linear(width, 1)

    def forward(self, bits: Tensor) -> Tensor:
        return self.out(self.rnn(bits[..., None])[0]).squeeze(-1).sigmoid()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Bits(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.02)

    def criterion(p: Tensor, wanted: Tensor) -> Tensor:
        each = torch.where(wanted > 0.5, p, 1 - p)
        total = each.log().sum(1) if repaired else each.prod(1).log()
        return -total.mean() / wanted.shape[1]

    batches = []
    for number in range(40):
        length = 240 if number == step else knobs.pick(20, 24, 28)
        flip = (torch.rand(8, length + 1) < 0.1).cumsum(1) % 2
        batches.append((flip[:, :-1].float(), flip[:, 1:].float()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("underflow",), ("loss",), (LOSS,), step),
    )
