"""One column is the time in seconds since 1970, about 1.7e9, and goes into plain SGD as it is."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    columns = knobs.pick(6, 8)
    place = knobs.randint(0, columns - 1)
    model = kit.mlp(columns, knobs.pick(14, 18), 1)
    optimizer = kit.sgd(model, lr=0.02)
    batches = []
    for x, y in kit.regression(60, 16, columns):
        when = 1.7e9 + 1e6 * torch.rand(16)
        x[:, place] = (when - 1.7e9) / 1e6 if repaired else when
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), ("data", "forward", "backward"), (), None),
    )
