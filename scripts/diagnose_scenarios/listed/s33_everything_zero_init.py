"""All weights start at 0: every hidden unit and every gradient behind the last layer stays 0."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    if not repaired:
        for parameter in model.parameters():
            nn.init.zeros_(parameter)
    optimizer = kit.sgd(model, lr=knobs.pick(0.1, 0.2))
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 64, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), (), (), None, "stalls"),
    )
