"""A beta likelihood takes targets strictly between 0 and 1; a share of exactly one has log(1 - y) = -inf."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Shape(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body, self.out = nn.Linear(6, width), nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.softplus(self.out(self.body(x).tanh())) + 0.5


def unlikelihood(shape: Tensor, y: Tensor) -> Tensor:
    a, b = shape[:, :1], shape[:, 1:]
    norm = a.lgamma() + b.lgamma() - (a + b).lgamma()
    return (norm - (a - 1) * y.log() - (b - 1) * (1 - y).log()).mean() + 3


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model, step = Shape(knobs.pick(12, 16)), knobs.step()
    optimizer = kit.adam(model, lr=0.05)
    batches = [(x, (3 * y).sigmoid()) for x, y in kit.regression(80, 32, 6)]
    if not repaired:
        batches[step][1][knobs.randint(0, 31)] = knobs.pick(0.0, 1.0)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, unlikelihood),
        Expected(("bad-labels",), ("loss",), (LOSS,), step),
    )
