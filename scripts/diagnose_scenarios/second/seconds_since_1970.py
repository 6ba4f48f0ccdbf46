"""A time stamp in seconds among standardised features."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(6, knobs.pick(16, 24), 2)
    nn.init.normal_(model.inp.weight, std=0.3)
    optimizer = kit.sgd(model, lr=0.05, momentum=knobs.pick(0.0, 0.5))
    batches = kit.regression(60, 32, 6, 2)
    if not repaired:
        for x, _ in batches:
            x[:, 5] = 1.7e9 + 1e6 * x[:, 5]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
