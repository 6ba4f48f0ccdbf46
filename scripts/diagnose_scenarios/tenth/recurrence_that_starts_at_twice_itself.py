"""A recurrent cell with its own way to start, a multiple of the identity, doubles its state at every step; the usual
draw between two small bounds fixed it (jihunchoi/recurrent-batch-normalization-pytorch issue 5).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Cell(nn.Module):
    def __init__(self, inputs: int, width: int, start: float) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.empty(inputs, width))
        self.weight_hh = nn.Parameter(start * torch.eye(width))
        bound = width**-0.5
        nn.init.uniform_(self.weight_ih, -bound, bound)
        if not start:
            nn.init.uniform_(self.weight_hh, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), self.weight_hh.shape[0])
        for frame in x.unbind(1):
            state = nn.functional.softplus(frame @ self.weight_ih + state @ self.weight_hh)
        return state


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, length = knobs.pick(12, 16), knobs.pick(75, 80)
    model = kit.named(cell=Cell(4, width, 0.0 if repaired else 2.0), head=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for x, _ in kit.sequences(25, 16, length, 4):
        x[:, -3:] += torch.randn(16, 1, 1)
        batches.append((x, x[:, -3:].mean((1, 2)).unsqueeze(1)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), ("forward", "loss"), ("cell", LOSS)),
    )
