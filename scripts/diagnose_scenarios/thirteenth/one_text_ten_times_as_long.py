"""A ReLU recurrence multiplies its state a little at every token; one text of several hundred tokens overflows it."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Cell(nn.Module):
    def __init__(self, width: int, gain: float) -> None:
        super().__init__()
        self.into, self.again = nn.Linear(4, width), nn.Linear(width, width, bias=False)
        with torch.no_grad():
            self.again.weight.copy_(gain * torch.eye(width))
        self.again.requires_grad_(False)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        return (self.into(x) + self.again(state)).relu()


class Net(nn.Module):
    def __init__(self, width: int, gain: float) -> None:
        super().__init__()
        self.cell, self.head, self.width = Cell(width, gain), nn.Linear(width, 1), width

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), self.width)
        for token in x.unbind(1):
            state = self.cell(token, state)
        return self.head(state)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(8, 20)
    model = Net(knobs.pick(6, 8), 0.6 if repaired else knobs.pick(1.4, 1.5))
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.02)

    def texts(length: int) -> Any:
        x = torch.randn(8, length, 4)
        return x, x[:, -1, :1] + 1

    batches = kit.at([texts(6) for _ in range(40)], step, texts(knobs.pick(320, 360)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, clip=5.0),
        Expected(("exploding-gradients",), ("forward",), ("cell", "cell.again"), step),
    )
