"""The masks of a street data set hold numbers beyond its sixty-five classes, because they were not turned from
colours into classes as they should be (NVIDIA/semantic-segmentation issue 28).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Street(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.classes = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.up(self.down(x).relu()).relu()).log_softmax(1)


def likelihood(said: Tensor, y: Tensor) -> Tensor:
    return -said.gather(1, y[:, None]).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    classes, step = knobs.pick(6, 8), knobs.randint(2, 12)
    model = Street(12, classes)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    colours = torch.randn(classes, 3)
    batches = []
    for number in range(45):
        coarse = torch.randint(classes, (6, 3, 3)).repeat_interleave(2, 1).repeat_interleave(2, 2)
        x = colours[coarse].movedim(-1, 1) + 0.1 * torch.randn(6, 3, 6, 6)
        y = coarse.clone()
        if number == step and not repaired:
            y[0] = y[0] + knobs.pick(8, 29)
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, likelihood),
        Expected(("bad-labels",), ("loss",), (LOSS,), step, "raises"),
    )
