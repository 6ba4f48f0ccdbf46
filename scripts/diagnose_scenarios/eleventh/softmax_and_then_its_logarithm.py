"""A loss for segmentation takes the softmax first and its logarithm after; where one output is a hundred above another
the probability is zero and its logarithm infinite, while a logarithm of the softmax is not (dmlc/gluon-cv issue 942).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Mixed(nn.Module):
    """Main and auxiliary logits under one loss."""

    def __init__(self, weight: float, stable: bool) -> None:
        super().__init__()
        self.weight, self.stable = weight, stable

    def one(self, logits: Tensor, label: Tensor) -> Tensor:
        logp = logits.log_softmax(1) if self.stable else logits.softmax(1).log()
        return -logp.gather(1, label[:, None]).mean()

    def forward(self, both: tuple[Tensor, Tensor], label: Tensor) -> Tensor:
        return self.one(both[0], label) + self.weight * self.one(both[1], label)


class Net(nn.Module):
    def __init__(self, width: int, kinds: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.head = nn.Conv2d(width, kinds, 1)
        self.aux = nn.Conv2d(width, kinds, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.stem(x).relu()
        return self.head(h), self.aux(h)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    kinds, step = 3, knobs.randint(9, 27)
    model = Net(knobs.pick(8, 10), kinds)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    colours = 2 * torch.randn(kinds, 3)
    batches = []
    for number in range(50):
        label = torch.randint(kinds, (4, 8, 8))
        picture = colours[label].movedim(-1, 1) + 0.3 * torch.randn(4, 3, 8, 8)
        if number == step:
            picture[knobs.randint(0, 3)] *= knobs.pick(300.0, 500.0)
            label = torch.randint(kinds, (4, 8, 8))
        batches.append((picture, label))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, Mixed(0.2, repaired), clip=1.0),
        Expected(("underflow",), ("loss",), (LOSS,), step),
    )
