"""The biases in front of the ReLU start at -50: no unit ever wakes, no gradient passes, only the mean is learnt."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(fc1=nn.Linear(8, width), act=nn.ReLU(), head=nn.Linear(width, 3))
    if not repaired:
        nn.init.constant_(model.fc1.bias, -knobs.pick(40.0, 50.0))
    optimizer = kit.adam(model, lr=0.01)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 64, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), (), (), None, "stalls"),
    )
