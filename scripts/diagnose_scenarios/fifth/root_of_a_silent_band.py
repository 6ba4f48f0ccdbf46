"""A speech enhancer's gains are compared by their square roots; a silent frame's gain is exactly 0
(jzi040941/PercepNet issue 37).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Enhancer(nn.Module):
    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(bands, width, bias=False)
        self.gru = nn.GRU(width, width, bias=False, batch_first=True)
        self.gain = nn.Linear(width, bands, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.gain(self.gru(self.fc(x).relu())[0]).abs().tanh()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, bands = knobs.step(), knobs.pick(6, 8)
    net = Enhancer(bands, knobs.pick(16, 20))
    optimizer = kit.adam(net, lr=0.01)
    least = 1e-4 if repaired else 0.0

    def gain_loss(predicted: Tensor, gain: Tensor) -> Tensor:
        return ((predicted + least).pow(0.5) - gain.pow(0.5)).pow(2).mean()

    batches = []
    for number in range(60):
        x = torch.rand(8, 10, bands)
        if number == step:
            x[knobs.randint(0, 7), :4] = 0
        batches.append((x, x / (x + 0.3)))
    return Scenario(
        net,
        optimizer,
        batches,
        kit.train(net, optimizer, gain_loss),
        Expected(("singular-gradient",), ("backward",), (LOSS,), step),
    )
