"""A running product of 400 gates slightly above 1.2 leaves float32."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Gates(nn.Module):
    def __init__(self, width: int, top: float) -> None:
        super().__init__()
        self.gate = nn.Linear(width, width)
        self.top = top

    def forward(self, x: Tensor) -> Tensor:
        return torch.cumprod(self.top + 0.05 * self.gate(x).tanh(), 1)[:, -1]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, length = knobs.pick(4, 6), knobs.pick(400, 500)
    model = kit.named(gates=Gates(width, 0.999 if repaired else 1.3), norm=nn.LayerNorm(width), out=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.sequences(50, 32, length, width),
        kit.train(model, optimizer, kit.squares, clip=1.0),
        Expected(("exploding-gradients",), ("forward",), ("gates",)),
    )
