"""Adam with a rate of 5 on a recurrent net: each step moves every weight by 5, the loss is hundreds of times its
start.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Forecaster(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.memory = nn.RNN(3, width, nonlinearity="tanh", batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.memory(x)[0][:, -1])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Forecaster(knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=0.01 if repaired else knobs.pick(5.0, 8.0))
    xs = [torch.randn(16, 6, 3) for _ in range(50)]
    return Scenario(
        model,
        optimizer,
        [(x, x[:, -1, :1] * 0.7) for x in xs],
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None, "diverges"),
    )
