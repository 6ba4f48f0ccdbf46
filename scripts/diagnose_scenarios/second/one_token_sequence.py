"""A norm over the tokens of a sequence, with the unbiased variance, meets a sequence of one token."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class TokenNorm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(1, keepdim=True)) * torch.rsqrt(x.var(1, keepdim=True) + 1e-5)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(4, width)
        self.token_norm = TokenNorm()
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.inp(x)
        return self.out((self.token_norm(h).tanh() + h).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Net(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.02)
    batches = kit.sequences(80, 16, 6, 4)
    x, y = batches[step]
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x[:, : 2 if repaired else 1], y)),
        kit.train(model, optimizer, kit.squares),
        Expected(("batch-statistics",), ("forward",), ("token_norm",), step),
    )
