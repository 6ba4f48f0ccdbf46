"""Hours in which a low-cost air sensor was off are missing values in its table, and go into the forecaster as they are
(circleAhn/TESLA-tf issue 1).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Calibrator(nn.Module):
    def __init__(self, columns: int, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(columns)
        self.lstm = nn.LSTM(columns, width, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return self.head(self.lstm(x)[0][:, -1])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    columns, window = knobs.pick(4, 5), 8
    step, gap = knobs.step(), knobs.randint(300, 600)
    table = torch.randn(907, columns).unfold(0, 8, 1).mean(-1) * 3
    truth = table[:, :1] - 0.5 * table[:, 1:2]
    if not repaired:
        table[gap, 2] = torch.nan
    model = Calibrator(columns, knobs.pick(10, 12))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number in range(50):
        ends = [knobs.randint(window, gap - 1) for _ in range(32)]
        if number == step:
            ends[3] = gap + 2
        x = torch.stack([table[end - window + 1 : end + 1] for end in ends])
        batches.append((x, truth[ends]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data",), ("data",), (), step),
    )
