"""A recurrent net whose gradients are above the bound at nearly every step and are cut down to it."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Sum(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.rnn = nn.RNN(1, width, nonlinearity="relu", batch_first=True)
        self.out = nn.Linear(width, 1)
        nn.init.eye_(self.rnn.weight_hh_l0)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(x)[0][:, -1])


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    length = knobs.pick(20, 25)
    model = Sum(16)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    batches = [(x, x.sum(1)) for x in torch.rand(60, 24, length, 1)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares, clip=0.1))
