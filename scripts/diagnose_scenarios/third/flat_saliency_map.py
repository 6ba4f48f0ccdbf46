"""A saliency map is brought to 0..1 by its least and greatest value; a black frame's map is the same everywhere."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Rescale(nn.Module):
    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
        return (x - low) / (high - low + self.eps)


class Net(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, width, 3)
        self.saliency = nn.Conv2d(width, 1, 1)
        self.rescale = Rescale(eps)
        self.head = nn.Linear(width * 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).tanh()
        return self.head((x * self.rescale(self.saliency(x))).flatten(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Net(knobs.pick(6, 8), 1e-6 if repaired else 0.0)
    optimizer = kit.adam(model, lr=0.01)
    batches = kit.images(50, 12, 2, 6, 3)
    with torch.no_grad():
        batches[step][0][knobs.randint(0, 11)] = 0.0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("division-by-zero",), ("forward",), ("rescale",), step),
    )
