"""A data set is distilled into ten pictures by going backward through a short inner training; a new default made the
rate of the pictures far too high (ssnl/dataset-distillation issue 11).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Pictures(nn.Module):
    def __init__(self, count: int, width: int, classes: int) -> None:
        super().__init__()
        self.pixels = nn.Parameter(torch.randn(count, width))
        self.register_buffer("labels", nn.functional.one_hot(torch.arange(count) % classes, classes).float())

    def forward(self, weight: Tensor, steps: int = 4) -> Tensor:
        """What a linear net becomes that is trained on these pictures alone."""
        for _ in range(steps):
            error = self.pixels @ weight - self.labels
            weight = weight - 0.1 * self.pixels.t() @ error / len(self.pixels)
        return weight


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, classes = knobs.pick(8, 10), 3
    model = Pictures(10, width, classes)
    optimizer = kit.sgd(model, lr=20.0 if repaired else knobs.pick(3000.0, 4000.0))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        trained = model(0.1 * torch.randn(width, classes))
        loss = kit.squares(x @ trained, nn.functional.one_hot(y, classes).float())
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.classes(60, 64, width, classes),
        train_step,
        Expected(("learning-rate",), (), (), None),
    )
