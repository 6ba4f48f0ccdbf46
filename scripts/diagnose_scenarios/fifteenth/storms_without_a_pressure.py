"""Older storms have no pressure in the table, and what is not there reads as not a number; the net that foretells
their path trained once such rows were cleaned away (hammad93/hurricane-net issue 2).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Track(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, width, batch_first=True)
        self.where = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.where(self.lstm(x)[0][:, -1])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length, step = knobs.pick(5, 7), knobs.randint(3, 14)
    model = Track(5, 16)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.005)
    batches = []
    for number in range(45):
        speed = torch.randn(24, 1, 2)
        path = speed * torch.linspace(0, 1, length)[None, :, None] + 0.05 * torch.randn(24, length, 2)
        weather = torch.randn(24, length, 3)
        if number >= step and number % 3 == step % 3 and not repaired:
            weather[knobs.randint(0, 23), : knobs.randint(1, length), 1] = float("nan")
        batches.append((torch.cat([path, weather], 2), 1.2 * speed[:, 0]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data",), ("data", "forward"), (), step),
    )
