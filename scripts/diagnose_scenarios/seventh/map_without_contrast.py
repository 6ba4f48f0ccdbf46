"""Feature maps are normalised by a hand-made deviation; over a constant map the root of the variance has no gradient
(as in pytorch/pytorch issue 4320).
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Standardise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        spread = x.var((2, 3), keepdim=True).sqrt()
        return (x - x.mean((2, 3), keepdim=True)) / (spread + 1e-3)


class Epsilon(Standardise):
    def forward(self, x: Tensor) -> Tensor:
        spread = (x.var((2, 3), keepdim=True) + 1e-6).sqrt()
        return (x - x.mean((2, 3), keepdim=True)) / spread


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(6, 8)
    model = kit.named(
        conv=nn.Conv2d(1, width, 3),
        norm=Epsilon() if repaired else Standardise(),
        act=nn.ReLU(),
        flat=nn.Flatten(),
        fc=nn.Linear(width * 36, 3),
    )
    optimizer = kit.adam(model, lr=0.005)
    batches = kit.images(50, 8, 1, 8, 3)
    batches[step][0][4] = knobs.pick(0.0, 1.0)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("singular-gradient",), ("backward",), ("norm",), step),
    )
