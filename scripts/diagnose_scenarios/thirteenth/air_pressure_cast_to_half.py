"""Air pressure in pascal, 101325, goes into a net of float16 weights: the cast alone makes it infinite."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Cast(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.half()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    unit = 1e5 if repaired else 1.0
    model = kit.named(cast=Cast(), inp=nn.Linear(5, knobs.pick(12, 16)), act=nn.Tanh())
    model.append(nn.Linear(model.inp.out_features, 1)).half()
    optimizer = kit.sgd(model, lr=0.05)
    batches = []
    for x, y in kit.regression(50, 16, 5):
        x[:, 0] = (101325 + knobs.pick(800, 900) * x[:, 0]) / unit
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale", "fp16-overflow"), ("data", "forward"), ("cast",)),
    )
