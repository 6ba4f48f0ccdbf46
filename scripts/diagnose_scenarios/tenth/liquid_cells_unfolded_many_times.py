"""A cell of liquid time is unfolded several times for each reading, with noise in every unfolding; over a long series
its gradients explode, for which clipping is the remedy (Ammar-Raneez/Liquid-Time-stochasticity-networks issue 1).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class LiquidCell(nn.Module):
    def __init__(self, inputs: int, width: int, unfolds: int) -> None:
        super().__init__()
        self.sense = nn.Linear(inputs, width)
        self.mix = nn.Linear(width, width, bias=False)
        nn.init.orthogonal_(self.mix.weight, 2.15)
        self.leak = nn.Parameter(torch.full((width,), 0.5))
        self.unfolds = unfolds

    def forward(self, reading: Tensor, state: Tensor) -> Tensor:
        sensed = self.sense(reading)
        for _ in range(self.unfolds):
            drive = nn.functional.leaky_relu(self.mix(state) + sensed, 0.5) - self.leak * state
            state = state + 0.15 * drive + 0.01 * torch.randn_like(state)
        return state


class Liquid(nn.Module):
    def __init__(self, width: int, unfolds: int) -> None:
        super().__init__()
        self.cell = LiquidCell(2, width, unfolds)
        self.out = nn.Linear(width, 1)

    def forward(self, series: Tensor) -> Tensor:
        state = series.new_zeros(len(series), self.out.in_features)
        for reading in series.unbind(1):
            state = self.cell(reading, state)
        return self.out(state)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Liquid(knobs.pick(10, 12), 4)
    optimizer = kit.sgd(model, lr=0.01)
    batches = []
    for x, _ in kit.sequences(40, 16, 12, 2):
        batches.append((x, 3 * torch.tanh(x[:, -4:, :1].sum(1))))
    train_step = kit.train(model, optimizer, nn.functional.mse_loss, clip=1.0 if repaired else None)
    return Scenario(model, optimizer, batches, train_step, Expected(("exploding-gradients",), (), (), None))
