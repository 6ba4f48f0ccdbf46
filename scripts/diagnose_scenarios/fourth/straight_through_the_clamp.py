"""A state is clamped to -1..1 while its gradient passes straight through: over a long sequence the gradient alone
leaves float32.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad.clone()


class Cell(nn.Module):
    def __init__(self, width: int, keep: float) -> None:
        super().__init__()
        self.lin = nn.Linear(width, width)
        self.keep = keep

    def forward(self, state: Tensor, x: Tensor) -> Tensor:
        return StraightThrough.apply(self.keep * (state + self.lin(state)) + x)


class Net(nn.Module):
    def __init__(self, width: int, keep: float) -> None:
        super().__init__()
        self.cell = Cell(width, keep)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        state = torch.zeros_like(x[:, 0])
        for position in range(x.shape[1]):
            state = self.cell(state, x[:, position])
        return self.head(state)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = Net(width, 0.4 if repaired else 1.0)
    optimizer = kit.adam(model, lr=0.01)
    teacher = torch.randn(width, 1) / width**0.5
    lengths = [knobs.pick(600, 640) if number == step else 4 for number in range(60)]
    batches = [0.5 * torch.randn(16, length, width) for length in lengths]
    return Scenario(
        model,
        optimizer,
        [(x, x[:, -1] @ teacher) for x in batches],
        kit.train(model, optimizer, kit.squares),
        Expected(("exploding-gradients",), ("backward",), ("cell", "cell.lin"), step),
    )
