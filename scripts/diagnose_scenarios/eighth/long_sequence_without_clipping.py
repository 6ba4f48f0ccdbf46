"""A recurrent layer over long sequences, trained without the limit on the gradient's length that the report ended
with (Marcovaldong/lstmp.pytorch issue 2).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Tagger(nn.Module):
    def __init__(self, inputs: int, width: int, gain: float) -> None:
        super().__init__()
        self.rnn = nn.RNN(inputs, width, nonlinearity="relu", batch_first=True)
        self.head = nn.Linear(width, 1)
        with torch.no_grad():
            self.rnn.weight_hh_l0.copy_(gain * torch.eye(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Tagger(3, knobs.pick(16, 20), 1.02)
    optimizer = kit.sgd(model, lr=0.05)
    batches = [(0.3 * x, y) for x, y in kit.sequences(60, 16, 60, 3)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, clip=0.2 if repaired else None),
        Expected(("exploding-gradients",), ("backward",), ("rnn",), None),
    )
