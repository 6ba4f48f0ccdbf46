"""Residual blocks all add something from the first step on, and the sum grows from block to block; with a gain of
nought in the last norm of each block the net is stable (wvabrinskas/Neuron pull request 124).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int, gain: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, width)
        self.gain = nn.Parameter(torch.full((width,), gain))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gain * self.fc2(self.fc1(x).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    gain = 0.0 if repaired else knobs.pick(16.0, 20.0)
    blocks = {f"block{number}": Block(16, gain) for number in range(8)}
    model = kit.named(inp=nn.Linear(8, 16), **blocks, out=nn.Linear(16, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 32, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), (), (), None),
    )
