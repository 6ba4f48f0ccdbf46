"""A forecaster scales each window by its highest less its lowest value, and one window of a meter stands still."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ByRange(nn.Module):
    def __init__(self, least: float) -> None:
        super().__init__()
        self.least = least

    def forward(self, x: Tensor) -> Tensor:
        low, high = x.amin(1, keepdim=True), x.amax(1, keepdim=True)
        return (x - low) / (high - low).clamp(min=self.least)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, window = knobs.step(), knobs.pick(10, 14)
    model = kit.named(
        scaler=ByRange(1e-6 if repaired else 0.0), hidden=nn.Linear(window, 16), act=nn.ReLU(), out=nn.Linear(16, 1)
    )
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    xs = [torch.randn(16, window).cumsum(1) for _ in range(60)]
    xs[step][knobs.randint(0, 15)] = knobs.pick(0.0, 3.5)
    return Scenario(
        model,
        optimizer,
        [(x, (x[:, -1:] > x.mean(1, keepdim=True)).float()) for x in xs],
        kit.train(model, optimizer, kit.squares),
        Expected(("division-by-zero",), ("forward",), ("scaler",), step),
    )
