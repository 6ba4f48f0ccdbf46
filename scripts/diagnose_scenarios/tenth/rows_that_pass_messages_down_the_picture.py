"""Each row of a feature map adds a convolution of the row above, and the sums pass down and up the whole picture: with
the usual start the map grows at every row, a start several times smaller holds (XingangPan/SCNN issue 82).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Messages(nn.Module):
    def __init__(self, width: int, gain: float) -> None:
        super().__init__()
        self.down = nn.Conv1d(width, width, 5, padding=2, bias=False)
        self.up = nn.Conv1d(width, width, 5, padding=2, bias=False)
        for layer in (self.down, self.up):
            nn.init.normal_(layer.weight, std=gain * (2 / (5 * width)) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        rows = list(x.unbind(2))
        for i in range(1, len(rows)):
            rows[i] = rows[i] + self.down(rows[i - 1]).relu()
        for i in range(len(rows) - 2, -1, -1):
            rows[i] = rows[i] + self.up(rows[i + 1]).relu()
        return torch.stack(rows, 2)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, size = 6, knobs.pick(18, 20)
    model = kit.named(
        stem=nn.Conv2d(2, width, 3, padding=1),
        messages=Messages(width, 0.2 if repaired else 1.3),
        head=nn.Conv2d(width, 1, 1),
    )
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    batches = []
    for x, _ in kit.images(25, 6, 2, size, 3):
        lane = (x[:, :1] > 0).float()
        batches.append((x, lane))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), (), (), None),
    )
