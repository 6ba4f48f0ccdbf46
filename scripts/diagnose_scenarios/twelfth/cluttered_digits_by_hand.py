"""The entropy of cluttered digits is written by hand as a product of labels with the logarithm of a softmax; after
some ninety rounds it is not a number (tensorflow/models pull request 181).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Digits(nn.Module):
    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.locate = nn.Linear(size * size, 2)
        self.conv = nn.Conv2d(1, width, 3, padding=1)
        self.out = nn.Linear(width * 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        zoom, shift = self.locate(x.flatten(1)).tanh().chunk(2, 1)
        x = x * (1 + zoom[:, :, None, None]) + shift[:, :, None, None]
        return self.out(nn.functional.adaptive_avg_pool2d(self.conv(x).relu(), 2).flatten(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(15, 35)
    model = Digits(6, knobs.pick(8, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def entropy(logits: Tensor, y: Tensor) -> Tensor:
        if repaired:
            return nn.functional.cross_entropy(logits, y)
        return -(nn.functional.one_hot(y, 3) * logits.softmax(1).log()).sum(1).mean()

    batches = kit.images(60, 16, 1, 6, 3)
    x, y = batches[step]
    # Labels may be wrong, and the stroke of these is thick.
    x[:3] *= knobs.pick(400.0, 600.0)
    y[:3] = (y[:3] + 1) % 3
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, entropy, clip=1.0),
        Expected(("underflow",), ("loss",), (LOSS,), step),
    )
