"""A focal weight (1 - p) to the power 0.5 is right at p = 1, but its slope there is infinite; one logit is that
sure.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, power = knobs.step(), knobs.pick(0.5, 0.7)
    model = kit.named(inp=nn.Linear(6, 14, bias=False), act=nn.ReLU(), out=nn.Linear(14, 1, bias=False))
    optimizer = kit.sgd(model, lr=0.1)
    small = 1e-6 if repaired else 0.0

    def focal(raw: Tensor, y: Tensor) -> Tensor:
        p = torch.sigmoid(raw)
        miss = torch.where(y > 0.5, 1 - p, p)
        return ((miss + small) ** power * nn.functional.softplus(torch.where(y > 0.5, -raw, raw))).mean()

    batches = [(x, (x[:, :1] > 0).float()) for x, _ in kit.regression(60, 16, 6)]
    x, y = batches[step]
    with torch.no_grad():
        model.out.weight[0, 5] = 0.5
        direction = model.inp.weight[5].clone()
        model.inp.weight[[i for i in range(14) if i != 5]] -= (
            model.inp.weight[[i for i in range(14) if i != 5]] @ direction[:, None] * direction / direction.norm() ** 2
        )
    x[3], y[3] = direction / direction.norm() ** 2 * knobs.pick(400.0, 600.0), 1.0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, focal),
        Expected(("singular-gradient",), ("backward",), (LOSS,), step),
    )
