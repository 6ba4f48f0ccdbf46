"""Generalised mean pooling of a picture that is black: the cube root of 0 has an infinite slope, the cube before
it none.
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class GeneralisedMean(nn.Module):
    def __init__(self, least: float) -> None:
        super().__init__()
        self.least = least

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(min=self.least).pow(3).mean((2, 3)).pow(1 / 3)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = kit.named(
        conv=nn.Conv2d(3, width, 3, bias=False),
        gem=GeneralisedMean(1e-6 if repaired else 0.0),
        head=nn.Linear(width, 3),
    )
    optimizer = kit.adam(model, lr=0.02)
    batches = kit.images(60, 16, 3, 6, 3)
    batches[step][0][knobs.randint(0, 15)] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, clip=5.0),
        Expected(("singular-gradient",), ("backward",), ("gem",), step),
    )
