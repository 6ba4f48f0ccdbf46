"""A hand-made batch norm has no eps, and one channel of one batch is the same number everywhere: 0 / 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class PlainNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.gain, self.eps = nn.Parameter(torch.ones(1, width, 1)), eps

    def forward(self, x: Tensor) -> Tensor:
        middle = x.mean((0, 2), keepdim=True)
        spread = (x - middle).square().mean((0, 2), keepdim=True)
        return self.gain * (x - middle) / (spread + self.eps).sqrt()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, channels = knobs.randint(2, 12), knobs.pick(3, 4)
    model = kit.named(
        norm=PlainNorm(channels, 1e-5 if repaired else 0.0),
        conv=nn.Conv1d(channels, 8, 3),
        act=nn.ReLU(),
        flat=nn.Flatten(),
        head=nn.Linear(8 * 6, 2),
    )
    optimizer = kit.sgd(model, lr=0.05)
    batches = [(x.reshape(16, channels, 8), y) for x, y in kit.classes(50, 16, 8 * channels, 2)]
    batches[step][0][:, knobs.randint(0, channels - 1)] = 0.5
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics", "division-by-zero"), ("forward",), ("norm",), step),
    )
