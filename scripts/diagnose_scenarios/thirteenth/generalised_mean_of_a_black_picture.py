"""Generalised-mean pooling takes the root of a mean that is 0 where the picture is black: infinite slope."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class PowerMean(nn.Module):
    def __init__(self, power: float, least: float) -> None:
        super().__init__()
        self.power, self.least = power, least

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(min=self.least).pow(self.power).mean((2, 3)).pow(1 / self.power)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 10)
    model = kit.named(
        conv=nn.Conv2d(2, width, 3, bias=False),
        pool=PowerMean(knobs.pick(2.0, 3.0), 1e-4 if repaired else 0.0),
        head=nn.Linear(width, 3),
    )
    optimizer = kit.adam(model, lr=0.02)
    batches = [(x, y) for x, y in kit.images(50, 12, 2, 8, 3)]
    batches[step][0][knobs.randint(0, 11)] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("singular-gradient",), ("backward",), ("pool",), step),
    )
