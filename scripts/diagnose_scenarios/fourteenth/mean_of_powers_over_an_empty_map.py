"""Pooling by the cube root of the mean of cubes, without a floor: a map that is 0 everywhere has an infinite slope."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class PowerPool(nn.Module):
    def __init__(self, floor: float) -> None:
        super().__init__()
        self.floor = floor

    def forward(self, x: Tensor) -> Tensor:
        return (x.abs() ** 3).mean((2, 3)).clamp(min=self.floor) ** (1 / 3)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(5, 7)
    model = kit.named(
        conv=nn.Conv2d(1, width, 3, bias=False),
        gem=PowerPool(1e-6 if repaired else 0.0),
        head=nn.Linear(width, 2),
    )
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    batches = kit.images(60, 12, 1, 6, 2)
    batches[step][0][knobs.randint(0, 11)] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("singular-gradient",), ("backward",), ("gem",), step),
    )
