"""Wind, pressure and coordinates of storms go into a recurrent net in their own units (as in hammad93/hurricane-net
issue 1, where scaling the features was the cure).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Storm(nn.Module):
    """A recurrent cell with rectified units."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.rnn = nn.RNN(4, width, nonlinearity="relu", batch_first=True)
        self.next = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.next(self.rnn(x)[0][:, -1])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Storm(knobs.pick(12, 16))
    optimizer = kit.sgd(model, lr=0.02, momentum=0.5)
    units = 1.0 if repaired else torch.tensor([60.0, 15.0, 1000.0, 80.0])
    batches = []
    for _ in range(60):
        x = torch.randn(16, 5, 4)
        batches.append((x * units, x[:, -1, :2] + 0.5 * x[:, -2, :2]))
    return Scenario(
        model, optimizer, batches, kit.train(model, optimizer, kit.squares), Expected(("input-scale",), (), (), None)
    )
