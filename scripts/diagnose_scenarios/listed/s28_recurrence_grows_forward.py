"""A recurrence that multiplies its state at every one of 90 steps, at any initialisation."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Cell(nn.Module):
    def __init__(self, inputs: int, width: int, gain: float) -> None:
        super().__init__()
        self.lin = nn.Linear(inputs + width, width)
        self.gain = gain

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return self.gain * h + self.lin(torch.cat([x, h], -1)).relu()


class Net(nn.Module):
    def __init__(self, inputs: int, width: int, gain: float) -> None:
        super().__init__()
        self.width = width
        self.cell = Cell(inputs, width, gain)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(x.shape[0], self.width)
        for step in range(x.shape[1]):
            h = self.cell(x[:, step], h)
        return self.head(h)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs = 4
    model = Net(inputs, knobs.pick(8, 12), 0.5 if repaired else knobs.pick(3.0, 4.0))
    optimizer = kit.adam(model, lr=0.03)
    batches = [(x, x[:, -2:, 0].sum(1, keepdim=True)) for x, _ in kit.sequences(40, 32, 90, inputs)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, clip=10.0),
        Expected(("exploding-gradients",), ("forward",), ("cell", "cell.lin")),
    )
