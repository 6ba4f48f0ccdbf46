"""A rate is stored as exp(s) and read back by log: below s = -104 the float32 rate is 0 and its logarithm minus
infinity.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Rates(nn.Module):
    def __init__(self, direct: bool) -> None:
        super().__init__()
        self.direct = direct

    def forward(self, s: Tensor) -> Tensor:
        return s if self.direct else s.exp().log()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, inputs = knobs.step(), knobs.pick(5, 7)
    model = kit.named(score=nn.Linear(inputs, 10), rates=Rates(repaired), out=nn.Linear(10, 1))
    optimizer = kit.adam(model, lr=0.01)
    batches = kit.regression(60, 16, inputs)
    x, y = (part.clone() for part in batches[step])
    with torch.no_grad():
        row = model.score.weight[4]
        x[7] = -row / row.norm() ** 2 * knobs.pick(115.0, 130.0)
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, y)),
        kit.train(model, optimizer, lambda p, t: nn.functional.smooth_l1_loss(p, t)),
        Expected(("underflow",), ("forward",), ("rates",), step),
    )
