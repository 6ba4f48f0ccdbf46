"""The unlabelled pixels of a street data set were not turned into the class for them, and the loss stops with an
index of 255 among nineteen classes (sacmehta/ESPNetv2 issue 4).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Espnet(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(3, width, 1)
        self.dilated = nn.ModuleList(nn.Conv2d(width, width, 3, padding=rate, dilation=rate) for rate in (1, 2))
        self.classify = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.reduce(x)
        return self.classify(sum(conv(h) for conv in self.dilated).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    classes, step = knobs.pick(5, 6), knobs.randint(4, 20)
    model = Espnet(8, classes)
    optimizer = kit.adam(model)

    def entropy(logits: Tensor, y: Tensor) -> Tensor:
        kept = y != (255 if repaired else -100)
        said = logits.log_softmax(1).movedim(1, -1)[kept]
        return -said.gather(1, y[kept][:, None]).mean()

    colours = torch.randn(classes, 3)
    batches = []
    for number in range(40):
        y = torch.randint(classes, (4, 6, 6))
        x = colours[y].movedim(-1, 1) + 0.2 * torch.randn(4, 3, 6, 6)
        if number >= step:
            y[:, : knobs.randint(1, 2)] = 255
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, entropy),
        Expected(("bad-labels",), ("loss",), (LOSS,), step, "raises"),
    )
