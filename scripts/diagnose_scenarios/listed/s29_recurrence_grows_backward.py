"""tanh keeps the state small while its gradient grows a hundredfold a step, on sequences of padding."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Cell(nn.Module):
    def __init__(self, inputs: int, width: int, gain: float) -> None:
        super().__init__()
        self.lin = nn.Linear(inputs + width, width, bias=False)
        self.gain = gain

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(self.gain * self.lin(torch.cat([x, h], -1)))


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
    step = knobs.step()
    model = Net(3, knobs.pick(8, 12), 1.0 if repaired else knobs.pick(150.0, 250.0))
    optimizer = kit.adam(model, lr=0.02)
    batches = [(x, x[:, -2:, 0].sum(1, keepdim=True)) for x, _ in kit.sequences(40, 8, 45, 3)]
    x, _ = batches[step]
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (torch.zeros_like(x), torch.ones(8, 1))),
        kit.train(model, optimizer, kit.squares),
        Expected(("exploding-gradients",), ("backward",), ("cell", "cell.lin"), step),
    )
