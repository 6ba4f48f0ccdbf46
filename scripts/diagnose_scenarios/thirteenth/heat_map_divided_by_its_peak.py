"""A module divides each map by its maximum; behind a ReLU one map is zero everywhere."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ToPeak(nn.Module):
    def __init__(self, least: float) -> None:
        super().__init__()
        self.least = least

    def forward(self, x: Tensor) -> Tensor:
        return x / x.amax((1, 2, 3), keepdim=True).clamp(min=self.least)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size, step = knobs.pick(6, 8), knobs.step()
    model = kit.named(
        conv=nn.Conv2d(1, 4, 3, bias=False),
        act=nn.ReLU(),
        peak=ToPeak(1e-6 if repaired else 0.0),
        flat=nn.Flatten(),
        head=nn.Linear(4 * (size - 2) ** 2, 3),
    )
    optimizer = kit.sgd(model, lr=0.05)
    batches = kit.images(50, 8, 1, size, 3)
    batches[step][0][knobs.randint(0, 7)] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("division-by-zero",), ("forward",), ("peak",), step),
    )
