"""A layer scales every signal to 0..1 by its own range; one recording is flat, its range is 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ToRange(nn.Module):
    def __init__(self, small: float) -> None:
        super().__init__()
        self.small = small

    def forward(self, x: Tensor) -> Tensor:
        low, high = x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)
        return (x - low) / (high - low + self.small)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, length = knobs.step(), knobs.pick(16, 20)
    model = kit.named(
        scaled=ToRange(1e-6 if repaired else 0.0),
        conv=nn.Conv1d(1, 6, 5),
        act=nn.ReLU(),
        flat=nn.Flatten(),
        head=nn.Linear(6 * (length - 4), 3),
    )
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    shapes = torch.randn(3, 1, length)
    labels = [torch.randint(3, (12,)) for _ in range(50)]
    batches = [(shapes[y] + 0.2 * torch.randn(12, 1, length), y) for y in labels]
    batches[step][0][knobs.randint(0, 11)] = knobs.pick(0.0, 1.5)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("division-by-zero",), ("forward",), ("scaled",), step),
    )
